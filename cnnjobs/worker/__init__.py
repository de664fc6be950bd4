"""A job: it claims runs, trains them and writes their ends. Nouns: Job, RunAttempt, JobEnvironment."""

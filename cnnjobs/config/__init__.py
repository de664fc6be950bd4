"""One run and one place to run, from YAML. Nouns: RunConfig, JobProfile, Mistake. Knows no sweep and no torch."""

"""A job that trains any run. Nouns: Job, ClaimedRun, RunAttempt, Workload, JobEnvironment.

Knows neither networks nor reports.
"""

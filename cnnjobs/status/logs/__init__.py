"""Logs of jobs and runs, where they are written and where they are kept. Nouns: RunLog, collected logs."""

"""States of runs. Nouns: RunStatus, SweepStatus, reason."""

"""States of runs, from their files and Slurm. Nouns: RunStatus, SweepStatus, reason.

Starts nothing, imports no torch.
"""

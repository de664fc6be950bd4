"""Files under results/, and how they are written. Nouns: RunFolder, RunRecord, SubmissionFolder, lock, fence.

Knows neither networks nor Slurm.
"""

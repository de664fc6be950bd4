"""The one door to Slurm: its commands and answers. Nouns: Submission, ArrayTask, queue, partition.

Knows no networks.
"""

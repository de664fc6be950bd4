"""The door to Slurm: its commands and what they answer. Nouns: Submission, queue, partition."""

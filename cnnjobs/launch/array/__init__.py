"""A job array on Slurm: its script, its limits, its submission."""

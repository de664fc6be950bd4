"""Data sets, augmentations, networks, optimizers: know nothing of sweeps or jobs."""

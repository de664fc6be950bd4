"""Parts of a run that YAML names. Nouns: data set, augmentation, model, optimizer, schedule.

Knows neither sweeps nor jobs.
"""

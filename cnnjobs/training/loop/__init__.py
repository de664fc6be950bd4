"""The training loop of one run. Nouns: Trainer, TrainingCurve, checkpoint."""

"""torch's own optimizers, schedules and losses and torchvision's transforms, by their import paths."""

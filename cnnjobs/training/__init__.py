"""Training: data on the device, the loop, checkpoints, and the worker that a job executes."""

"""Several processes of one job: ranks of a run, runs side by side, stacks."""

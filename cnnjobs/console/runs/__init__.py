"""Words about runs: plans, progress, states, logs."""

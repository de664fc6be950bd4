"""Plans, places and launches of runs: plan.py, place.py, resources.py, jobs.py, local.py, state.py."""

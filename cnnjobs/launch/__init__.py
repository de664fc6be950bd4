"""What has to run, where, and what became of it: plan.py, place.py, resources.py, jobs.py, local.py, state.py."""

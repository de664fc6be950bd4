"""What to run and where: run configurations, sweep files, job profiles."""

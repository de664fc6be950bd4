"""A sweep file and the runs that it spans. Nouns: Sweep, SweepRun, parameter, condition."""

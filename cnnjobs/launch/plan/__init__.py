"""Plans: which runs start, at which cost, with which resources: how many at once, threads and GPUs of each."""

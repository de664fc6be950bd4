"""The machine below: processes, memory, signals, files as others may have left them. Knows nothing of runs."""

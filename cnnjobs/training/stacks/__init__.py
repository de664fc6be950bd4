"""Several runs as one network."""

"""Networks as people write them: built, tried on a small batch, and put into the memory format that they take."""

"""A search, as a job that trains its runs meets it. Nouns: turns, BandWatch, the early end of a run."""

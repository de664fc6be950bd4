"""Data sets: where they lie, how they are split, decoded and cached. Nouns: DataSet, Split, cache, fingerprint."""

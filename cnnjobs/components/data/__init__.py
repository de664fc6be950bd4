"""Data sets: sources (URLs, checksums), files, splits, decoding, cache. Nouns: DataSet, Source, Split, fingerprint."""

"""A search as it stands. Nouns: KnownRuns, SearchStatus. Decides nothing."""

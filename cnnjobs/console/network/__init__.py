"""Words about one network."""

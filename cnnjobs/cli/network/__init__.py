"""Commands about one trained or untrained network."""

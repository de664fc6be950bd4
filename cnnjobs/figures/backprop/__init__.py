"""Signals taken back from a layer to the pixels. Nouns: Trace, Rules, receptive field."""

"""Figures of trained networks, from data to matplotlib. Nouns: Subject, Drawing, Rules. Neither saves nor prints."""

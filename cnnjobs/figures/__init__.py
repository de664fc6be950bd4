"""Figures: each a function from data to a matplotlib Figure; it draws, and neither saves nor prints."""

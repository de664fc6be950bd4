"""Batches on a device. Nouns: Pipeline, Preprocessing, Ranks."""

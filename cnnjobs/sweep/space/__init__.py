"""Configurations that a sweep file spans. Nouns: Space, Axis, Condition, sampler, distribution."""

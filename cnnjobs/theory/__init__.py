"""Calculators for what courses ask: convolutions by hand, sizes and parameters of layers, steps of a training."""

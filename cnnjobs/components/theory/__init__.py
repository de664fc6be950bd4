"""Calculators: convolutions by hand, sizes and parameters of layers, steps of a training.

Knows no runs.
"""

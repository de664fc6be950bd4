"""Computations behind figures, a module a method."""

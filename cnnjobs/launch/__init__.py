"""Plans of sweeps and their launch. Nouns: Plan, Action, Place, LocalPool, Order.

Imports no torch, and trains nothing.
"""

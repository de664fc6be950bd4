"""One network on one machine: weights, data, network, loop. Nouns: Trainer, DeviceData, NetworkWorkload.

Knows no jobs.
"""

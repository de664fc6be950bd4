"""Module that `import cnnjobs` finds in a Python that has no cnnjobs: the one function that a program calls."""

from cnnjobs_channel import log

__all__ = ["log"]

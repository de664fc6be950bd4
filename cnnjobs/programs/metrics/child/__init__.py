"""Modules for the processes of a program: this folder is first on their PYTHONPATH. Nouns: Hook, StandIn, Channel.

They run under the program's own Python (3.8 and later), which need not have cnnjobs: so they import none of it, and each
other by their own names.
"""

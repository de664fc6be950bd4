"""Modules for the processes of a program, whose PYTHONPATH begins with this folder. Nouns: Hook, Reporter, Run.

They run under the program's own Python, 3.7 and later, which need not have cnnjobs: they import none of it, and each
other by their own names.
"""

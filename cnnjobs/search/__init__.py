"""Decisions of a search. Nouns: StoppingRule, Block, Verdict, EarlyStopping.

The order is the index, not the clock: each decision follows from the sweep file and from recorded results of
configurations with lower indices, so that kills, speeds and numbers of workers change none. It is written down once,
with what it saw. Knows neither how a run is trained nor where.
"""

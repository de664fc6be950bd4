"""Results of a sweep: tables, statistics, figures and pages. Nouns: ResultsTable, Chapter, Drawings.

Builds no network.
"""

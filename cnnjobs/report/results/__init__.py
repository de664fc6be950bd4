"""Results of a sweep as tables. Nouns: ResultsTable, history, Summary."""

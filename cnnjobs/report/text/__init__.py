"""Words and numbers of a report. Nouns: Block, note."""

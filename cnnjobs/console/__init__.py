"""Terminal output: commands decide on the content, this room on its look. Nouns: table, notice, progress, error."""

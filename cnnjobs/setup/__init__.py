"""This place made ready. Nouns: Finding, starter project, download. `doctor` looks, `init` writes, `fetch` gets."""

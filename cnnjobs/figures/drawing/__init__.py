"""Pictures on a page. Nouns: Drawing, Panel, mosaic, sheet."""

"""Formats of data sets on disk, a module a format. Nouns: RawSplit, folder of images, ImageStore."""

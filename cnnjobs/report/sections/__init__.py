"""Sections of a report, a module a section."""

"""Numbers that a report tells beside the results themselves."""

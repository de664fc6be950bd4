"""All terminal output: what to say is decided below, how it looks here."""

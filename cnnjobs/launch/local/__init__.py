"""Workers of this machine."""

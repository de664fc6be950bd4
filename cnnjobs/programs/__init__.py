"""A program of the user's own: started, watched, ended. Nouns: ProgramWorkload, ProgramPlaces, Reported, Collector."""

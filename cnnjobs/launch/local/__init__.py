"""Workers of this machine as processes: started, watched and stopped in a pool."""

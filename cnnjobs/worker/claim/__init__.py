"""The claim of a process on a run. Nouns: ClaimedRun, Heartbeat, Takeover. Knows nothing of what trains it."""

"""Files under results/ and how they are written. Nouns: RunFolder, RunRecord, SubmissionFolder, lock."""

"""Networks that have been trained: evaluated, asked, exported."""

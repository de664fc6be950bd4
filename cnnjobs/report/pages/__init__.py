"""Forms of a report: HTML, Markdown, PDF."""

"""Results of a sweep: tables, statistics, figures and the report."""

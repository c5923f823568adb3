"""Results into tables, JSON, metrics and progress."""

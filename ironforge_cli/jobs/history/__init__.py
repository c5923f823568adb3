"""Statistics computed again from the raw snapshots that are held or archived."""

"""Days of raw snapshots: made ahead, archived, restored, dropped, exported."""

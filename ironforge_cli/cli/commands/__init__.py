"""One file a command: its options in, its result out."""

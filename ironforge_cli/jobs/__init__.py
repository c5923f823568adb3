"""What each command does: the order of its steps and the boundaries of its transactions."""

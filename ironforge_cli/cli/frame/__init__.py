"""What stands around every command: options, settings, signals, messages, evidence's wiring, health checks."""

"""What is sent out: alerts, exports and the addon; reads answers and writes its own state alone."""

"""What Blizzard publishes, on its way from the wire to the commit, and what waits on disk meanwhile."""

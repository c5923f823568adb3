"""A stand-in for Blizzard's API: a simulated market and catalogue behind the real wire format."""

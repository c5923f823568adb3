"""How everything stands, and what of it is a problem."""

"""Every query, one module a slice."""

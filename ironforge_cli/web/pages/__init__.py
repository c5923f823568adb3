"""The page: the same answers as the service's, rendered here, to be looked at without JavaScript."""

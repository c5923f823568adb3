"""A toolkit for the World of Warcraft auction house: collect, keep and explain the commodity market."""

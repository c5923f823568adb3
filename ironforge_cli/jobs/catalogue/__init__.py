"""Recipes, what they take, and items, as Blizzard's static data has them."""

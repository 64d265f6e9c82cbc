"""Recipes: what is written into a slot (`fill`) and the law that the result obeys (`law`), side by side."""

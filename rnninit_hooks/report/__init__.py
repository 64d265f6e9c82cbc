"""Rows and findings become text or JSON. Decides nothing; knows nothing of torch."""

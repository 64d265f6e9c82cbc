"""The engine: slots to hooks."""

"""Text becomes rules: document, models, extension, loading. Never wakes torch."""

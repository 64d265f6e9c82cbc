"""What a built module really does: measured on a copy, never on the module itself."""

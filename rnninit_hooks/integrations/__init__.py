"""Thin callbacks for training frameworks; each needs its own extra and imports no other."""

"""Thin callbacks for training frameworks and trackers of experiments; each needs its own extra and imports no other."""

"""Inputs that nobody would write, for the reader of rule files and for the lint: `python -m tests.fuzz --inputs 100000`."""

"""Packaged rule files, each with its papers; read as `builtin:NAME`."""

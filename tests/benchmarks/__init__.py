"""Benchmarks: scripts that print ratios against the alternative in the same run. Nothing here is asserted."""

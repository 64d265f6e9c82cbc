"""One page for each code, shown by `rnninit explain CODE`."""

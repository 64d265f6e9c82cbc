"""How module classes fuse gates into parameters. Knows nothing of rules."""

"""Source code becomes findings: the standard library's `ast` only, torch is never imported and no code is run."""

"""`python -m rnninit_hooks` is `rnninit`."""

from __future__ import annotations

import sys

from rnninit_hooks.cli import main

if __name__ == "__main__":
    sys.exit(main())

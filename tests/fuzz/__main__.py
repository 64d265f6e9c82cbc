"""`python -m tests.fuzz --inputs 500000 --seed 1 --kind lint`: counts, crashes, and the slowest input, kept as a file."""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from pathlib import Path

from tests.fuzz.runner import KINDS, run

BATCH = 10_000


def main() -> int:
    words = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    words.add_argument("--inputs", type=int, default=100_000)
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--kind", choices=[*KINDS, "both"], default="both")
    words.add_argument("--keep", type=Path, default=Path("fuzz-found"), help="a folder for crashes and the slowest input")
    options = words.parse_args()
    kinds = list(KINDS) if options.kind == "both" else [options.kind]
    return max(_fuzz(kind, options.inputs // len(kinds), options.seed, options.keep) for kind in kinds)


def _fuzz(kind: str, inputs: int, seed: int, folder: Path) -> int:
    start, done, refused, crashes, slowest = time.perf_counter(), 0, 0, 0, (0.0, b"")
    while done < inputs:
        tally = run(kind, min(BATCH, inputs - done), seed * 1_000_000_007 + done)
        done, refused, crashes = done + tally.inputs, refused + tally.refused, crashes + len(tally.crashes)
        slowest = max(slowest, tally.slowest)
        for raw, trace in tally.crashes:
            print(f"crash in {_keep(folder, kind, raw)}\n{trace}", file=sys.stderr, flush=True)
        print(f"{kind}: {done} inputs, {refused} refused or with findings, {crashes} crashes, slowest {slowest[0]:.3f} s CPU, "
              f"{time.perf_counter() - start:.0f} s", flush=True)  # fmt: skip
    print(f"{kind}: slowest kept in {_keep(folder, f'slow-{kind}', slowest[1])}")
    return 1 if crashes else 0


def _keep(folder: Path, kind: str, raw: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind}-{hashlib.sha256(raw).hexdigest()[:12]}.txt"
    path.write_bytes(raw)
    return path


if __name__ == "__main__":
    sys.exit(main())

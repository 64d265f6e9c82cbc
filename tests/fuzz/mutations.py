"""Small damage to a text: bytes lost, doubled, swapped, replaced, spliced from another text."""

from __future__ import annotations

from random import Random

BYTES = (b"\x00", b"\xff", b"\xef\xbb\xbf", b"\r", b"\x0c", b"\xc3\x28", b"\xed\xa0\x80", b"\t", b"\n", b"\xe2\x80\xa8")


def damaged(text: bytes, others: list[bytes], pieces: tuple[bytes, ...], random: Random) -> bytes:
    """One to six changes."""
    for _ in range(random.randint(1, 6)):
        text = _once(text, others, pieces, random)
    return text


def _once(text: bytes, others: list[bytes], pieces: tuple[bytes, ...], random: Random) -> bytes:
    start = random.randrange(len(text) + 1)
    stop = min(len(text), start + random.choice((0, 0, 1, 2, 5, 20)))
    lines = text.split(b"\n")
    how = random.randrange(7)
    if how == 0:
        return text[:start] + text[stop:]
    if how == 1:
        return text[:start] + text[start:stop] * random.choice((2, 3, 50)) + text[stop:]
    if how == 2:
        return text[:start] + random.choice(pieces + BYTES) + text[stop:]
    if how == 3:
        other = random.choice(others)
        at = random.randrange(len(other) + 1)
        return text[:start] + other[at : at + random.choice((3, 20, 100))] + text[stop:]
    if how == 4:
        random.shuffle(lines)
        return b"\n".join(lines)
    if how == 5:
        at = random.randrange(len(lines))
        return b"\n".join([*lines[:at], b" " * random.randrange(6) + lines[at].lstrip(), *lines[at + 1 :]])
    return text[:start] + bytes([random.randrange(256)]) + text[stop:]

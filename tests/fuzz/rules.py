"""Rule files that are nearly right, and some that are not at all."""

from __future__ import annotations

from importlib.resources import files
from random import Random
from typing import Any

import yaml

from tests.fuzz.mutations import damaged

KEYS = (
    "version", "seed", "rules", "extends", "drop", "allow", "untouched", "idle", "id", "match", "init", "why", "place",
    "literal", "whole", "parameter", "module", "kind", "gate", "layer", "direction", "gain", "value", "low", "high", "mean",
    "std", "t_max", "steps", "code", "at", "reason", "until", "$schema", "rulse", "<<", "", "name",
)  # fmt: skip
WORDS = (
    "lstm", "forget", "input", "recurrent", "bias", "retain", "orthogonal", "constant", "xavier_uniform", "chrono", "keep",
    "zeros", "pretrained", "error", "warn", "allow", "RNN103", "RNN999", "builtin:keras", "builtin:nope", "pkg:torch/x.yaml",
    "../x.yaml", "/dev/null", "weight_hh_l\\d+", "(a+)+$", "(?P<a>b", "[", "\\", "(a|b|c)*d{3,9}", "x" * 300, "2027-03-01",
    "2027-13-99", "héllo", "\u2028", "\x1b[31m", "a\nb", "", " ", "~", "null", "yes", "0x10", "1e-3", ".inf", "-.nan", "1_000",
)  # fmt: skip
NUMBERS = (0, 1, -1, 2, 64, 2**63 - 1, 2**63, 10**30, 0.0, -0.0, 1.0, 1e-320, 1e308, 0.5, 3.7, True, False, None)
PIECES = tuple(
    piece.encode()
    for piece in (
        "&a ", "*a", "!!python/object:os.system ", "? ", ": ", "- ", "---\n", "...\n", "%YAML 1.1\n", "<<: *a\n", "|", ">-", "#",
        "'", '"', "{", "}", "[", "]", ",", "\\x", "\\ud800", "!t ", "{{{{", "[[[[[[[[", "a: a: a:", "\t- ", "@", "`", "\u00a0",
    )
)  # fmt: skip


def _small_files() -> list[bytes]:
    """Every packaged preset whole, and every rule of it as a file of its own: small files are read a hundred times as often."""
    whole = [path.read_bytes() for path in files("rnninit_hooks.presets").iterdir() if path.name.endswith(".yaml")]
    documents = [yaml.safe_load(text) for text in whole]
    singles = [{**document, "rules": [rule]} for document in documents for rule in document["rules"]]
    small = [yaml.safe_dump(one, allow_unicode=True, sort_keys=False, default_flow_style=None).encode() for one in singles]
    return small * 8 + whole


PACKAGED = _small_files()


def rule_file(random: Random) -> bytes:
    """One file: a damaged preset, or a document made at random, sometimes damaged too."""
    if random.random() < 0.5:
        return damaged(random.choice(PACKAGED), PACKAGED, PIECES, random)
    text = yaml.safe_dump(_document(random), allow_unicode=random.random() < 0.5, default_flow_style=random.choice((None, True, False)))
    made = text.encode("utf-8", "surrogatepass")
    return damaged(made, PACKAGED, PIECES, random) if random.random() < 0.3 else made


def _document(random: Random) -> Any:
    if random.random() < 0.1:
        return _anything(random, 4)
    found = {"version": random.choice((1, 1, 1, 1, 2, "1")), "rules": [_rule(random) for _ in range(random.randint(0, 4))]}
    for key in random.sample(("seed", "extends", "drop", "allow", "untouched", "idle", "rulse"), random.randint(0, 3)):
        found[key] = [_allow(random)] if key == "allow" and random.random() < 0.7 else _anything(random, 2)
    return found


def _rule(random: Random) -> Any:
    if random.random() < 0.05:
        return _anything(random, 3)
    found = {"id": random.choice(("a", "b", random.choice(WORDS))), "match": _some(random), "init": _init(random)}
    for key in random.sample(("why", "idle", "place", "literal", "whole", "inti"), random.randint(0, 2)):
        found[key] = _anything(random, 1)
    return found


def _some(random: Random) -> Any:
    keys = random.sample(("parameter", "module", "kind", "gate", "layer", "direction", "kinds"), random.randint(0, 3))
    return {key: _anything(random, 1) for key in keys}


def _init(random: Random) -> Any:
    fields = random.sample(KEYS[21:29], random.randint(0, 2))
    return {"kind": random.choice(WORDS), **{key: _anything(random, 1) for key in fields}}


def _allow(random: Random) -> Any:
    keys = random.sample(("code", "at", "reason", "until"), random.randint(2, 4))
    return {key: random.choice(WORDS) if random.random() < 0.8 else _anything(random, 1) for key in keys}


def _anything(random: Random, depth: int) -> Any:
    how = random.randrange(6) if depth else random.randrange(3)
    if how < 2:
        return random.choice(WORDS)
    if how == 2:
        return random.choice(NUMBERS)
    if how == 3:
        return [_anything(random, depth - 1) for _ in range(random.choice((0, 1, 2, 5)))]
    return {random.choice(KEYS): _anything(random, depth - 1) for _ in range(random.choice((0, 1, 2, 4)))}

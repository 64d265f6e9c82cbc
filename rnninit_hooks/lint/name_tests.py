"""RNN301: a parameter name is tested for a word that no parameter of that module holds, so the branch never runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rnninit_hooks.lint.events import NameTest
from rnninit_hooks.lint.parameters import could_hold, named, passes
from rnninit_hooks.lint.values import Layer, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.findings import Finding
    from rnninit_hooks.lint.reading import Study

_GATE = re.compile(r"forget|(?:update|reset|input|output|cell|new|in|out)_?gate|^_?gates?_?$|^\.?[ifgorzn]_gate")
_SPECIFIC = re.compile(r"^(?:weight|bias)_(?:ih|hh)")


def check(study: Study) -> Iterator[Finding]:
    """Every test that is false for all parameters it can meet."""
    tests: dict[int, list[NameTest]] = {}
    for journal in study.journals:
        for event in journal.events:
            if isinstance(event, NameTest) and event.text:
                tests.setdefault(id(event.node), []).append(event)
    for group in tests.values():
        for text in sorted({one.text for one in group}):
            own = [one for one in group if one.text == text and not _imagined(one)]
            if own and all(_dead(one, study) for one in own):
                yield _finding(own[0], study)


def _imagined(test: NameTest) -> bool:
    """A plain layer that an unknown model might hold says nothing of the tests for recurrent names."""
    return isinstance(test.owner, Layer) and not test.owner.recurrent and not test.owner.sure


def _dead(test: NameTest, study: Study) -> bool:
    if _GATE.search(test.text) and _defined(test.text, study):
        return False
    if isinstance(test.owner, Tree):
        return _dead_in_tree(test, test.owner)
    if not test.owner.recurrent or could_hold(test.text, test.how):
        return False
    if test.owner.prefix:
        return bool(_GATE.search(test.text))
    return test.owner.built or (bool(_GATE.search(test.text)) and _telling(test.owner, study))


def _dead_in_tree(test: NameTest, tree: Tree) -> bool:
    """`self` holds modules whose parameters the file does not show; a gate's word is in none of torch's names."""
    recurrent = any(isinstance(child, Layer) and child.recurrent for _, child in tree.children)
    if not recurrent or any(passes(test.text, test.how, text.value) for text, _ in named(tree)):
        return False
    if test.how in ("startswith", "==") and _SPECIFIC.search(test.text):
        return tree.closed
    return bool(_GATE.search(test.text)) and tree.closed


def _telling(owner: Layer, study: Study) -> bool:
    """An unknown module counts as torch's where the file names torch's layers or their parameters."""
    called = owner.key.rpartition(".")[2] in ("lstm", "gru")
    return owner.sure or called or bool(study.outline.words & {"LSTM", "GRU", "WEIGHT_HH", "BIAS_HH", "WEIGHT_IH", "BIAS_IH"})


def _defined(text: str, study: Study) -> bool:
    """Whether the file gives anything of its own that name, as custom cells do."""
    word = text.strip("._").lower()
    return word in study.declared


def _finding(test: NameTest, study: Study) -> Finding:
    verb = {"in": "holds", "startswith": "begins with", "endswith": "ends with", "==": "is"}[test.how]
    return study.source.finding(
        "RNN301", test.node, f"no parameter name {verb} {test.text!r} here, so the branch never runs",
        expected="a name such as bias_ih_l0 or weight_hh_l0; gates have no names in torch, they are rows of one parameter",
        fix="slice the gate's rows, or write a rule with `gate: forget`",
    )  # fmt: skip

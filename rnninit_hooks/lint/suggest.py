"""A rule file for what the code meant: one rule for each intent that the lint has read, per gate and in full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rnninit_hooks.lint.values import CELLS, GATES, Num

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rnninit_hooks.lint.events import Write
    from rnninit_hooks.lint.reading import Study

_KINDS = {"ih": "input", "hh": "recurrent"}
_NAMES = {
    4: ("input", "forget", "cell", "output"),
    3: ("reset", "update", "new"),
}
_HEAD = """\
# What the initialisation code of these files meant, as rules. A bias is the sum that the gate feels; orthogonal and
# Xavier are those of one gate. Read it before use: the code may have wanted what it did.
version: 1
untouched: allow
rules:
"""


@dataclass(frozen=True)
class Intent:
    """One rule: which slots, which recipe, and the first line that says so."""

    classes: tuple[str, ...]
    kind: str
    gate: str | None
    init: str
    place: str

    @property
    def target(self) -> tuple[tuple[str, ...], str, str | None]:
        """What it decides; two intents for one target are one too many."""
        return self.classes, self.kind, self.gate


def suggestion(studies: Iterable[Study]) -> str | None:
    """The rule file as text, or None where no intent was read.

    Whole kinds come before single gates, because the last matching rule wins.
    """
    found: dict[object, Intent] = {}
    for study in studies:
        for intent in _intents(study):
            found.setdefault(intent.target, intent)
    ordered = sorted(found.values(), key=lambda one: (one.gate is not None, one.kind != "input", one.kind, one.classes))
    return _HEAD + "".join(_rule(number, one) for number, one in enumerate(ordered, 1)) if ordered else None


def _rule(number: int, intent: Intent) -> str:
    gate = f", gate: {intent.gate}" if intent.gate else ""
    classes = ", ".join(intent.classes)
    return (
        f"  - id: intent-{number}\n"
        f"    match: {{module: [{classes}], kind: {intent.kind}{gate}}}\n"
        f"    init: {intent.init}\n"
        f"    idle: allow\n"
        f"    why: '{intent.place.replace(chr(39), chr(39) * 2)}'\n"
    )


def _intents(study: Study) -> Iterator[Intent]:
    for journal in study.journals:
        for write in journal.writes:
            intent = _intent(write, study)
            if intent is not None:
                yield intent


def _intent(write: Write, study: Study) -> Intent | None:
    own = write.target.parameter
    place = str(study.source.place(write.node))
    if not own.owner.recurrent or own.part not in _KINDS or write.target.copied:
        return None
    classes = tuple(sorted(write.kinds | {f"{kind}Cell" for kind in write.kinds if kind not in CELLS}))
    if own.bias:
        return _of_bias(write, classes, place)
    init = _recipe(write)
    return Intent(classes, _KINDS[own.part], None, init, place) if init else None


def _recipe(write: Write) -> str | None:
    return {
        "orthogonal": "{kind: orthogonal}", "xavier": "{kind: xavier_uniform}", "kaiming": "{kind: kaiming_uniform}",
        "eye": "{kind: identity}",
    }.get(write.op)  # fmt: skip


def _of_bias(write: Write, classes: tuple[str, ...], place: str) -> Intent | None:
    value = write.value.value if isinstance(write.value, Num) else None
    if write.op != "constant" or value is None:
        return None
    if write.target.whole:
        return Intent(classes, "bias", None, "{kind: zeros}", place) if value == 0 else None
    gates = max((GATES[kind] for kind in write.kinds), default=1)
    if gates == 4:
        classes = tuple(kind for kind in classes if kind.startswith("LSTM"))
    index = write.target.extent.gate(gates) if write.target.extent is not None else None
    names = _NAMES.get(gates, ())
    if index is None or index >= len(names) or not value:
        return None
    return Intent(classes, "bias", names[index], f"{{kind: constant, value: {float(value)!r}}}", place)

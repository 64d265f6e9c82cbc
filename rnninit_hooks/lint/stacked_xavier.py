"""RNN307: Xavier bounds, or Kaiming's fan-out, taken from the rows of all gates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnninit_hooks.lint.stacked import gates_text, loop_text, whole_writes
from rnninit_hooks.lint.values import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.findings import Finding
    from rnninit_hooks.lint.events import Write
    from rnninit_hooks.lint.reading import Study


def check(study: Study) -> Iterator[Finding]:
    """Writes whose variance depends on the fan-out; Kaiming's default fan-in is the gate's own."""
    for write in whole_writes(study, frozenset({"xavier", "kaiming"})):
        if write.op == "xavier" or _by_fan_out(write):
            reason, spread = _reason(write)
            yield study.source.finding(
                "RNN307", write.node, reason, expected=f"the fans of one gate; those of the stack make the spread {spread}",
                fix=f"{loop_text(write)}, or write a rule `init: {{kind: xavier_uniform}}`; it works per gate",
            )  # fmt: skip


def _reason(write: Write) -> tuple[str, str]:
    name = "Xavier" if write.op == "xavier" else "Kaiming fan-out"
    if write.target.parameter.dims == 3:  # torch multiplies both fans of such a tensor by its last length
        return f"{name} takes the matrices of {gates_text(write)} for one convolution kernel", "far smaller than what is meant"
    return f"{name} takes the rows of {gates_text(write)} for the fan-out of one", "0.63 (LSTM) or 0.71 (GRU) of what is meant"


def _by_fan_out(write: Write) -> bool:
    return any(key in ("mode", "#2") and value == Text("fan_out") for key, value in write.options)

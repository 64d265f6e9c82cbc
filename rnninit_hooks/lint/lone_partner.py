"""RNN317: one bias of a gate is set, the other keeps torch's noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnninit_hooks.lint.values import Num

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.findings import Finding
    from rnninit_hooks.lint.events import Write
    from rnninit_hooks.lint.reading import Study


def check(study: Study) -> Iterator[Finding]:
    """Constants written to a gate of bias_ih or bias_hh where the file never writes to the other."""
    biases = [
        write for journal in study.journals for write in journal.writes
        if write.target.parameter.bias and write.target.parameter.owner.recurrent
    ]  # fmt: skip
    parts = {write.target.parameter.part for write in biases}
    opaque = study.outline.words & {"reset_parameters", "apply"}
    if len(parts) != 1 or opaque:
        return
    first = next((write for write in biases if _sets_a_gate(write) and not _of_any_model(write)), None)
    if first is not None:
        other = "bias_ih" if parts == {"hh"} else "bias_hh"
        yield study.source.finding(
            "RNN317", first.node, f"only one bias is set; {other} keeps torch's default noise of up to 1/sqrt(hidden)",
            expected="the other bias zero, so that the gate feels exactly what is written",
            fix=f"zero {other} too, or write a rule: its bias is the sum of both",
        )  # fmt: skip


def _sets_a_gate(write: Write) -> bool:
    value = write.value
    return write.target.extent is not None and write.fused and isinstance(value, Num) and value.value != 0


def _of_any_model(write: Write) -> bool:
    """A loop over what `self` holds, in a base class: the classes derived from it may have zeroed the other bias."""
    owner = write.target.parameter.owner
    return write.target.looped and not owner.sure and owner.key == "self"

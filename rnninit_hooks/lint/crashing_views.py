"""RNN309: an in-place write to a parameter that autograd watches, which torch refuses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rnninit_hooks.lint.hints import lines_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.findings import Finding
    from rnninit_hooks.lint.events import Write
    from rnninit_hooks.lint.reading import Study

_QUIET_CALLER = re.compile(r"(?:^|\.)_init_weights\b")  # Transformers calls these under no_grad
_SWITCH = re.compile(r"requires_grad|set_grad_enabled|enable_grad")


def check(study: Study) -> Iterator[Finding]:
    """Methods that end in `_` and assignments to slices, on a leaf or a view of one, with gradients on."""
    seen: set[int] = set()
    for journal in study.journals:
        for write in journal.writes:
            if id(write.node) not in seen and _refused(write, study):
                seen.add(id(write.node))
                what = "a leaf that requires grad" if write.target.whole else "a view of a leaf that requires grad"
                yield study.source.finding(
                    "RNN309", write.node, f"an in-place write to {what}: torch raises RuntimeError here",
                    expected="`with torch.no_grad():` around it, or a function of torch.nn.init, which has it inside",
                    fix="write e.g. `nn.init.constant_(bias[start:stop], value)`",
                )  # fmt: skip


def _refused(write: Write, study: Study) -> bool:
    own = write.target
    if write.how not in ("method", "item") or not write.grad or write.caught or own.copied:
        return False
    if not own.parameter.owner.recurrent or set(write.calls) & study.quiet or _QUIET_CALLER.search(write.scope):
        return False
    return not _SWITCH.search(lines_of(study.outline, write.calls))

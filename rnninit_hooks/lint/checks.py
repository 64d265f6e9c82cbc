"""The table of checks: one file per code, each a function from a followed file to its findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rnninit_hooks.lint import (
    bias_reads,
    checkpoints,
    crashing_views,
    data_writes,
    doubled_bias,
    first_layer,
    forget_elsewhere,
    identity_stack,
    lone_partner,
    lost_writes,
    name_tests,
    other_gates,
    replaced,
    reverse_missed,
    stacked_orthogonal,
    stacked_xavier,
    unfollowed,
    unit_draws,
    unpacked_weights,
    vectors,
    whole_bias,
)  # fmt: skip
from rnninit_hooks.lint.reading import Study

if TYPE_CHECKING:
    from rnninit_hooks.findings import Finding

Check = Callable[[Study], Iterator["Finding"]]
CHECKS: dict[str, Check] = {
    "RNN301": name_tests.check,
    "RNN302": stacked_orthogonal.check,
    "RNN303": doubled_bias.check,
    "RNN304": first_layer.check,
    "RNN305": checkpoints.check,
    "RNN306": reverse_missed.check,
    "RNN307": stacked_xavier.check,
    "RNN308": other_gates.check,
    "RNN309": crashing_views.check,
    "RNN310": lost_writes.check,
    "RNN311": unpacked_weights.check,
    "RNN312": vectors.check,
    "RNN313": replaced.check,
    "RNN314": identity_stack.check,
    "RNN315": unit_draws.check,
    "RNN316": bias_reads.check,
    "RNN317": lone_partner.check,
    "RNN318": forget_elsewhere.check,
    "RNN319": unfollowed.check,
    "RNN401": data_writes.check,
    "RNN402": whole_bias.check,
}
QUIET = "RNN4"
"""Codes with this beginning are noisy, and run only where they are selected."""

"""A callback for the Trainer of transformers that initialises once, on fresh runs alone. Needs the extra `transformers`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from rnninit_hooks.applying import apply
from rnninit_hooks.rules.load import resolve

if TYPE_CHECKING:
    from torch import nn

    from rnninit_hooks.rows import Report
    from rnninit_hooks.rules.models import Policy


class InitCallback(TrainerCallback):
    """Apply a policy when training begins at step 0; a resumed run is left alone.

    Parameters that `from_pretrained` brought are marked by transformers (`_is_hf_initialized`) and are kept. The values
    depend on the policy's seed and the names alone, so every rank of a distributed run writes the same. `report` holds
    what was written, None when nothing was.

    >>> callback = InitCallback("lstm-classic")
    >>> callback.report is None
    True
    """

    def __init__(self, policy: Policy | str | Path) -> None:
        self.policy = resolve(policy)
        self.report: Report | None = None

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: nn.Module | None = None,
        **kwargs: Any,
    ) -> None:
        """Initialise when a fresh run begins."""
        if model is not None and state.global_step == 0 and not args.resume_from_checkpoint and self.report is None:
            self.report = apply(model, self.policy)

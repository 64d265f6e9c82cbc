"""A Lightning callback that initialises a module once, on fresh runs alone. Needs the extra `lightning`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lightning import Callback, LightningModule, Trainer

from rnninit_hooks.hooks import attach, materialize
from rnninit_hooks.rules.load import resolve

if TYPE_CHECKING:
    from rnninit_hooks.hooks import Handle
    from rnninit_hooks.rows import Report
    from rnninit_hooks.rules.models import Policy


class InitCallback(Callback):
    """Attach a policy in `setup`, before a strategy wraps the module and before a checkpoint is restored.

    What a restore brings is kept, so that a resumed run (`trainer.fit(..., ckpt_path=...)`) keeps every loaded bit; the
    rest is written before the first step, on every rank alike. Validation, test and prediction are left alone. Weights
    that you loaded into the module before `fit` are not known as such: leave the callback out then. `report` tells per
    slot what was written and what was loaded.

    >>> import lightning, torch
    >>> class Tagger(lightning.LightningModule):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.rnn = torch.nn.LSTM(3, 4)
    >>> callback = InitCallback("lstm-classic")
    >>> callback.report is None
    True
    """

    def __init__(self, policy: Policy | str | Path) -> None:
        self.policy = resolve(policy)
        self._handle: Handle | None = None

    @property
    def report(self) -> Report | None:
        """What became of every slot; None before a fit."""
        return self._handle.report if self._handle else None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave the policy with the module when its first fit begins."""
        if stage == "fit" and self._handle is None:
            self._handle = attach(pl_module, self.policy)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what no checkpoint brought."""
        materialize(pl_module)

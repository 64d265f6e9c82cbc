"""Within a block, every model that is built or run is initialised by one policy."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.nn.modules import module as registry
from torch.nn.parameter import is_lazy

from rnninit_hooks.anatomy import Member, logical_names
from rnninit_hooks.announcing import announce
from rnninit_hooks.applying import apply_plan
from rnninit_hooks.errors import PendingInit, PolicyError
from rnninit_hooks.findings import Finding
from rnninit_hooks.hooks import removal
from rnninit_hooks.hooks.attach import attach
from rnninit_hooks.hooks.flush import LOCK
from rnninit_hooks.hooks.loads import brings
from rnninit_hooks.hooks.surroundings import faked, hostile
from rnninit_hooks.marks import marked
from rnninit_hooks.planning import plan
from rnninit_hooks.rows import Report
from rnninit_hooks.rules.load import resolve

if TYPE_CHECKING:
    from rnninit_hooks.rules.models import Policy

_LOADED = "_rnninit_loaded"


def note_load(module: nn.Module, state: Any, prefix: str, *_: Any) -> None:
    """Remember what a checkpoint brings to this module while a policy is enforced."""
    brought = {name for name in logical_names(module) if brings(module, name, state, prefix)}
    module.__dict__.setdefault(_LOADED, set()).update(brought)


def _not_loaded(member: Member) -> bool:
    return member.leaf not in member.owner.__dict__.get(_LOADED, ()) and not marked(member)


class Enforcement:
    """What happens inside `enforced`: `reports` holds one report per model that was initialised.

    A model is the outermost module: whatever was not registered as a child of another.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        rules = tuple(rule.model_copy(update={"idle": "allow"}) for rule in policy.rules)  # asked at the end, over all models
        self._patient = policy.model_copy(update={"rules": rules})
        self.reports: list[Report] = []
        self._parents: weakref.WeakKeyDictionary[nn.Module, weakref.ref[nn.Module]] = weakref.WeakKeyDictionary()
        self._seen: weakref.WeakSet[nn.Module] = weakref.WeakSet()
        self._done: weakref.WeakSet[nn.Module] = weakref.WeakSet()
        self._matched: set[str] = set()

    def saw_parameter(self, owner: nn.Module, name: str, parameter: Any) -> None:
        """A module of this block gets a parameter: it is under watch from now on."""
        if parameter is not None and owner not in self._seen:
            self._seen.add(owner)
            removal.install_load(owner, note_load)

    def saw_child(self, parent: nn.Module, name: str, child: nn.Module | None) -> None:
        """A module becomes part of another."""
        if child is not None:
            self._parents[child] = weakref.ref(parent)
            self._seen.update((parent, child))

    def before_forward(self, module: nn.Module, args: Any) -> None:
        """Initialise the model that a called module belongs to, once, before it runs."""
        with LOCK:
            root = self._root(module)
            if root not in self._done and not faked():
                if reason := hostile(module):
                    raise PendingInit(f"a policy is enforced here, and {reason}; run the model once inside the block before")
                self._initialise(root)

    def finish(self) -> None:
        """Initialise what was built and never run; say which rules matched no model at all."""
        for module in list(self._seen):
            root = self._root(module)
            if root not in self._done:
                self._initialise(root)
        announce(self._idle(), stacklevel=5)

    def release(self) -> None:
        """Take the watch off every module of the block."""
        for module in list(self._seen):
            removal.remove(module, note_load)
            module.__dict__.pop(_LOADED, None)

    def _root(self, module: nn.Module) -> nn.Module:
        above = self._parents.get(module)
        parent = above() if above else None
        return self._root(parent) if parent is not None else module

    def _initialise(self, root: nn.Module) -> None:
        self._done.update(root.modules())
        waits = any(is_lazy(p) or p.is_meta for p in root.parameters())
        report = attach(root, self._patient).report if waits else apply_plan(plan(root, self._patient), open_to=_not_loaded)
        self._matched |= {row.rule for row in report.rows if row.rule}
        self.reports.append(report)

    def _idle(self) -> Iterator[Finding]:
        for rule in self.policy.rules:
            if rule.id not in self._matched and not rule.inherited and rule.idle != "allow":
                yield Finding(
                    "RNN101", f"rule {rule.id!r} decided nothing in any of {len(self.reports)} models of this block",
                    level="warning", rule=rule.id, place=rule.origin, fix="correct `match`, or say `idle: allow`",
                )  # fmt: skip


def _measuring(policy: Policy) -> Iterator[Finding]:
    for rule in (rule for rule in policy.rules if rule.init.asks):
        yield Finding(
            "RNN120", f"rule {rule.id!r} asks for {rule.init}, which is measured on a batch, and not every model has one here",
            rule=rule.id, place=rule.origin, fix="leave the rule out here, and call ri.attach(model, policy) on each model",
        )  # fmt: skip


@contextmanager
def enforced(policy: Policy | str | Path) -> Iterator[Enforcement]:
    """Initialise every model that is built or run inside the block, process-wide, by a policy.

    A model built inside is initialised before its first forward, or at the end of the block if it is never run; what
    its own code wrote is overridden, what `load_state_dict` brought inside the block is kept. A model that was built
    before and is run inside counts as fresh and is initialised too: build or load trained models outside of such a
    block, or run them there. While the block is open every module call in the process costs about one microsecond
    more; afterwards nothing is left. Raises `PolicyError` where a policy does not fit a model, and at once where a rule
    measures a batch: a model that is never run inside has none.

    >>> import torch, rnninit_hooks as ri
    >>> with ri.enforced("lstm-classic") as block:
    ...     lstm = torch.nn.LSTM(3, 4)
    >>> lstm.bias_ih_l0[4:8].tolist(), len(block.reports)
    ([1.0, 1.0, 1.0, 1.0], 1)
    """
    policy = resolve(policy)
    if problems := tuple(_measuring(policy)):
        raise PolicyError(problems)
    block = Enforcement(policy)
    handles = [
        registry.register_module_parameter_registration_hook(block.saw_parameter),
        registry.register_module_module_registration_hook(block.saw_child),
        registry.register_module_forward_pre_hook(block.before_forward),
    ]
    try:
        yield block
        block.finish()
    finally:
        for handle in handles:
            handle.remove()
        block.release()

"""Every hazard in one table: what happens between the attachment and the first forward, and what must hold then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from tests.lifecycle import nets

Outcome = Literal["eager", "kept", "says", "eager or says"]
ROWS: dict[str, Row] = {}


def call(model: nn.Module) -> Any:
    return model(nets.X.to(next(iter(model.parameters())).dtype))


@dataclass(frozen=True)
class Row:
    """One hazard.

    `eager`: attach, deed, forward ends bit for bit where apply, deed ends. `kept`: the same, and the deed wrote values of
    its own, which win. `says`: an error that says what to do, and nothing is half done; `eager or says` leaves it to torch's
    version which of the two. A `story` is told by itself.
    """

    name: str
    outcome: Outcome
    deed: Callable[..., Any]
    build: Callable[[], nn.Module] = nets.Net
    policy: Any = nets.POLICY
    run: Callable[[nn.Module], Any] = call
    story: bool = False


def row(outcome: Outcome, **facts: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def enter(deed: Callable[..., Any]) -> Callable[..., Any]:
        assert deed.__name__ not in ROWS, f"two rows are called {deed.__name__}"
        ROWS[deed.__name__] = Row(deed.__name__, outcome, deed, **facts)
        return deed

    return enter


def bits(model: nn.Module) -> dict[str, torch.Tensor]:
    """What a model holds, read without asking it for a state dict, wrappers' prefixes stripped."""
    found = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
    plain = {name.replace("_orig_mod.", "").removeprefix("module."): value.detach().clone() for name, value in found}
    return {name: value for name, value in plain.items() if name != "n_averaged"}


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(
        one[name].dtype == two[name].dtype and torch.equal(one[name].nan_to_num(7.0), two[name].nan_to_num(7.0)) for name in one
    )


def differing(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> list[str]:
    return [
        name for name in {**one, **two} if name not in one or name not in two or not same({name: one[name]}, {name: two[name]})
    ]


_HOOKS = ("_forward_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks", "_state_dict_pre_hooks")


def traces(model: nn.Module) -> list[str]:
    """Hooks and attributes that a deferred initialisation has left."""
    found = []
    for name, module in model.named_modules():
        found += [f"{name}.{key}" for key in module.__dict__ if key.startswith("_rnninit") or key == "__prepare_scriptable__"]
        for registry in _HOOKS:
            for hook in getattr(module, registry).values():
                home = getattr(getattr(hook, "hook", hook), "__module__", "")
                found += [f"{name}.{registry}"] if home.startswith(("rnninit_hooks", "tests.lifecycle")) else []
    return found

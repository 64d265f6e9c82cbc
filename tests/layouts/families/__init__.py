"""Small faithful cells of the families seen in public code, with what is true of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import rnninit_hooks as ri

FAMILIES: list[Family] = []
LONG = {"i": "input", "f": "forget", "g": "cell", "o": "output", "r": "reset", "z": "update", "n": "new", "h": "hidden"}


@dataclass(frozen=True)
class Family:
    """One cell and its layout. `found` says that inference must find it; `why` is the reason when it must not."""

    cell: type[nn.Module]
    layout: ri.Layout
    found: bool = True
    why: str = ""

    @property
    def name(self) -> str:
        return self.cell.__name__


def gates(letters: str) -> tuple[str, ...]:
    """`ifgo` -> (input, forget, cell, output)."""
    return tuple(LONG[letter] for letter in letters)


def family(*parts: ri.Part, found: bool = True, why: str = "", **facts: Any):
    """Class decorator: enter a cell with its parts; `keep` or `write` names the retain gate by its letter."""

    def enter(cell: type[nn.Module]) -> type[nn.Module]:
        keep, write = facts.pop("keep", None), facts.pop("write", None)
        polarity = {LONG[keep]: 1} if keep else {LONG[write]: -1} if write else {}
        constant = {LONG[letter]: value for letter, value in facts.pop("adds", {}).items()}
        name = f"{cell.__module__}.{cell.__qualname__}"
        layout = ri.Layout(name, (name,), parts, polarity=polarity, constant=constant, **facts)
        FAMILIES.append(Family(cell, layout, found, why))
        return cell

    return enter


def part(pattern: str, kind: str | None, letters: str, **facts: Any) -> ri.Part:
    """A part whose name is its pattern, with gates by letters."""
    return ri.Part(pattern, pattern.replace(".", r"\."), kind=kind, order=gates(letters), **facts)  # type: ignore[arg-type]


def bias(pattern: str, letters: str, partner: str | None = None, **facts: Any) -> ri.Part:
    """A bias; with a partner it is one of a sum."""
    return part(pattern, "bias", letters, partner=partner, effective="bias" if partner else None, **facts)


def lstm(i: Tensor, f: Tensor, g: Tensor, o: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """The step of an LSTM from its pre-activations."""
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def weight(*shape: int) -> nn.Parameter:
    """A parameter to be filled by nobody in particular."""
    return nn.Parameter(torch.randn(*shape) * 0.3)

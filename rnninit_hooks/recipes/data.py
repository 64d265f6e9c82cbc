"""Recipes whose last number the first batch decides: a scale of an orthogonal start, or a bias. Wakes no torch."""

from __future__ import annotations

import math
from itertools import count
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from rnninit_hooks.errors import PendingInit
from rnninit_hooks.recipes.base import Block, Breach, Draw, Recipe, Settled, Trial
from rnninit_hooks.recipes.laws import rounding, unfit
from rnninit_hooks.recipes.orthogonal import Orthogonal
from rnninit_hooks.recipes.registry import recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor
    from typing_extensions import Self


class _Scaled(Recipe):
    """An orthogonal start times one scale."""

    def refuse(self, block: Block) -> str | None:
        """Only a matrix can be orthogonal."""
        reason = Orthogonal().refuse(block)
        return reason and f"{self.kind} starts orthogonal: {reason}"

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """The start: a Haar-distributed matrix."""
        return Orthogonal().fill(block, draw)

    def fill_many(self, blocks: Sequence[Block], draws: Sequence[Draw]) -> list[Tensor]:
        """Starts of one shape are drawn together."""
        return Orthogonal().fill_many(blocks, draws)

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Orthogonal up to one common scale, which only a batch could judge."""
        if breaches := unfit(block, value):
            return breaches
        gain = _gain(block, value)
        return Orthogonal(gain=gain).law(block, value) if gain else (Breach("scale", "0", "more than 0"),)


def _gain(block: Block, value: Tensor) -> float:
    """The gain that an orthogonal matrix of this norm has."""
    rank = min(block.shape[0], math.prod(block.shape[1:]))
    return math.sqrt(float(value.square().sum()) / rank)


@recipe("lsuv")
class Lsuv(_Scaled):
    """An orthogonal start, scaled so that what the layer makes of the first batch has standard deviation `std`.

    For Linear and Conv1d/2d/3d that is the layer's whole output, bias included, over all its elements; for the input
    blocks of LSTM, GRU, RNN and their cells it is W x of each gate over all steps, padding left out, dropout between
    layers off. Scaled `tries` times at most, until the standard deviation is within a share `tolerance` of `std`;
    without a bias the first time is exact. Raises `PendingInit` when the batch cannot tell (it is constant, or the
    bias alone varies more than `std`).

    >>> import torch, rnninit_hooks as ri
    >>> rule = ri.Rule(id="unit", match=ri.Match(module="Linear", parameter="weight"), init=ri.Lsuv())
    >>> model, batch = torch.nn.Sequential(torch.nn.Linear(9, 9, bias=False)), 7 * torch.eye(9) + 3
    >>> _ = ri.calibrate(model, ri.Policy(rules=[rule]), batch)
    >>> round(model(batch).std(correction=0).item(), 5)
    1.0
    """

    formula: ClassVar[str] = "W = s Q, Q Haar-distributed, s such that std(output) = std on the first batch"
    source: ClassVar[str] = "Mishkin and Matas 2015, arXiv:1511.06422, algorithm 1"
    asks: ClassVar[Literal["response", "states", "echo"] | None] = "response"

    std: float = Field(default=1.0, gt=0.0, description="Standard deviation that is wanted.")
    tolerance: float = Field(default=0.1, gt=0.0, lt=1.0, description="Share of `std` by which it may be missed.")
    tries: int = Field(default=10, ge=1, description="How often the weight may be scaled.")

    def settle(self, block: Block, start: Tensor, trial: Trial, draw: Draw) -> Settled:
        """The start times the scale."""
        scale = 1.0
        for forwards in count(1):
            found = float(trial.response(start * scale).std(correction=0))
            if not (math.isfinite(found) and found > 0.0):
                raise PendingInit(f"{block.address}: on this batch {self._sees(found)}; run the model on a batch that varies")
            if forwards > 1 and abs(found / self.std - 1.0) <= self.tolerance:
                return Settled(start * scale, {"std": found, "scale": scale, "forwards": forwards})
            if forwards > self.tries:
                break
            scale *= self.std / found
        raise PendingInit(
            f"{block.address}: scaled {self.tries} times, the standard deviation is {found:.4g} and not {self.std:g}; a bias "
            "that varies more than that cannot be scaled away: let a rule zero it, or allow more `tries` or `tolerance`"
        )

    def _sees(self, found: float) -> str:
        return f"what {self.kind} measures has standard deviation {found:g}, so that no scale makes it {self.std:g}"


@recipe("critical_gain")
class CriticalGain(_Scaled):
    """A tanh RNN's recurrent matrix g Q with g² E[(1 - h²)²] = 1 on the first batch: small signals neither grow nor fade.

    The mean is over all units, steps and sequences, padding left out. Gains grow by a quarter from 1 until chi, the
    product, passes 1; then their interval is halved until it is within `tolerance` of 1. (Repeating g <- E^(-1/2) can
    run in circles: chi need not grow with g.) Raises `PendingInit` when no gain up to `high` does, as where the inputs
    alone saturate every unit.

    >>> import torch, rnninit_hooks as ri
    >>> rule = ri.Rule(id="critical", match=ri.Match(kind="recurrent"), init=ri.CriticalGain())
    >>> report = ri.calibrate(torch.nn.RNN(4, 8), ri.Policy(rules=[rule], untouched="allow"), torch.ones(20, 2, 4))
    >>> abs(next(row.measured["chi"] for row in report.rows if row.measured) - 1.0) <= 0.01
    True
    """

    formula: ClassVar[str] = "W = g Q, Q Haar-distributed, g^2 E[(1 - h^2)^2] = 1 on the first batch"
    source: ClassVar[str] = "Chen, Pennington and Schoenholz 2018, arXiv:1806.05394: chi = 1, with the measured h"
    asks: ClassVar[Literal["response", "states", "echo"] | None] = "states"

    high: float = Field(default=10.0, gt=1.0, description="Greatest gain that is tried.")
    tolerance: float = Field(default=0.01, gt=0.0, lt=1.0, description="How far chi may be from 1.")
    tries: int = Field(default=100, ge=1, description="How many gains may be tried.")

    def settle(self, block: Block, start: Tensor, trial: Trial, draw: Draw) -> Settled:
        """The start times the gain."""
        low, high, gain, chi = 1.0, math.inf, 1.0, math.nan
        for forwards in range(1, self.tries + 1):
            chi = gain**2 * float((1.0 - trial.states(start * gain).square()).square().mean())
            if abs(chi - 1.0) <= self.tolerance:
                return Settled(start * gain, {"chi": chi, "gain": gain, "forwards": forwards})
            if not math.isfinite(chi) or (chi < 1.0 and gain >= self.high):
                break
            low, high = (gain, high) if chi < 1.0 else (low, gain)
            gain = min(1.25 * gain, self.high) if math.isinf(high) else (low + high) / 2.0
        raise PendingInit(
            f"{block.address}: no gain up to {self.high:g} with chi = 1 was found, the last of {forwards} was {gain:.4g} with "
            f"chi = {chi:.4g}; scale the inputs down (rule `lsuv` on the input block), or allow more `high` or `tries`"
        )

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """A gain times an orthogonal matrix; the gain, which only a batch could judge, is 1 at least."""
        breaches = super().law(block, value)
        gain = math.nan if breaches else _gain(block, value)
        too_small = gain < 1.0 - Orthogonal().tolerance(block)
        return (Breach("gain", f"{gain:.9g}", "at least 1"),) if too_small else breaches


@recipe("lag_gradient")
class LagGradient(Recipe):
    """The bias of the gate that keeps the state, such that the gradient over `steps` steps has size `gain`.

    Searched by bisection on the first batch, one number for all units: the size is the root mean square, over sequences
    of at least `steps` steps, of |d(v.h_T)/d(h_0, c_0)| after `steps` steps, v a random direction of length 1. The bias
    that the gate feels is between `low` and `high` where an open gate keeps the state, and the negative of that where it
    overwrites. Meant to grow with the bias; raises `PendingInit` when `gain` is not between what `low` and `high` give.

    >>> import torch, rnninit_hooks as ri
    >>> rule = ri.Rule(id="reach", match=ri.Match(kind="bias", gate="retain"), init=ri.LagGradient(steps=10, gain=0.2))
    >>> batch = torch.linspace(-1, 1, 10 * 3 * 4).reshape(10, 3, 4)
    >>> policy = ri.Policy(rules=[*ri.preset("lstm-classic").rules[:-1], rule], idle="allow")
    >>> report = ri.calibrate(torch.nn.LSTM(4, 8), policy, batch)
    >>> abs(next(row.measured["gradient"] for row in report.rows if row.measured) / 0.2 - 1.0) <= 0.05
    True
    """

    formula: ClassVar[str] = "b = ±c, c in [low, high], |d(v.h_T)/d(h_0, c_0)| = gain for T = steps on the first batch"
    source: ClassVar[str] = "this package: Gers et al. 2000 with a measured value; compare Tallec and Ollivier 2018"
    asks: ClassVar[Literal["response", "states", "echo"] | None] = "echo"

    steps: int = Field(ge=1, description="Lag in steps over which the gradient is to reach.")
    gain: float = Field(default=0.1, gt=0.0, description="Size of the gradient that is wanted.")
    low: float = Field(default=0.0, description="Least bias that is tried.")
    high: float = Field(default=8.0, description="Greatest bias that is tried.")
    tolerance: float = Field(default=0.05, gt=0.0, lt=1.0, description="Share of `gain` by which it may be missed.")
    tries: int = Field(default=40, ge=1, description="How many halvings may be made.")

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"`low` must be below `high`, found low {self.low} and high {self.high}")
        return self

    def refuse(self, block: Block) -> str | None:
        """Only the bias of the gate that keeps or overwrites the old state reaches over a lag."""
        if block.kind == "bias" and block.polarity:
            return None
        return f"only the bias of the gate that keeps the old state has a {self.kind}; match `kind: bias` and `gate: retain`"

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """The start: `low`."""
        return draw.full(*block.shape, value=block.polarity * self.low)

    def settle(self, block: Block, start: Tensor, trial: Trial, draw: Draw) -> Settled:
        """Halve the interval until the gradient has the size that is wanted."""

        def biases(level: float) -> Tensor:
            return draw.full(*block.shape, value=block.polarity * level)

        def size(level: float) -> float:
            return trial.echo(biases(level), self.steps, draw.of(f"{block.address} echo"))

        low, high = self.low, self.high
        self._refuse_outside(block, size(low), size(high))
        for forwards in range(3, self.tries + 3):
            middle = (low + high) / 2.0
            found = size(middle)
            if abs(found / self.gain - 1.0) <= self.tolerance:
                return Settled(biases(middle), {"gradient": found, "bias": block.polarity * middle, "forwards": forwards})
            low, high = (middle, high) if found < self.gain else (low, middle)
        raise PendingInit(
            f"{block.address}: after {self.tries} halvings the gradient over {self.steps} steps is {found:.4g} at bias "
            f"{middle:.6g}, and not {self.gain:g}; allow more `tries` or `tolerance`"
        )

    def _refuse_outside(self, block: Block, least: float, most: float) -> None:
        if not least <= self.gain <= most:
            raise PendingInit(
                f"{block.address}: the gradient over {self.steps} steps is {least:.4g} at bias {self.low:g} and {most:.4g} at "
                f"{self.high:g} on this batch, so no bias between gives {self.gain:g}; widen `low` and `high`, or ask for "
                "another `gain` or `steps`"
            )

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """One bias for all units, between `low` and `high`; which of them, only a batch could judge."""
        if (breaches := unfit(block, value)) or not value.numel():
            return breaches
        level, slack = block.polarity * value, rounding(block, max(abs(self.low), abs(self.high)))
        least, most = float(level.min()), float(level.max())
        if most - least > 2.0 * slack:
            return (Breach("value", f"{least:.9g} to {most:.9g}", "one for all units"),)
        inside = self.low - slack <= least and most <= self.high + slack
        return () if inside else (Breach("value", f"{least:.9g}", f"{self.low:g} to {self.high:g}"),)

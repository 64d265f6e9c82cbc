"""Recipes of linear recurrent units whose eigenvalues lie in a ring of the unit disc: LRU and RG-LRU. Wakes no torch."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, model_validator

from rnninit_hooks.recipes.base import Block, Breach, Draw, Recipe
from rnninit_hooks.recipes.laws import demand
from rnninit_hooks.recipes.registry import recipe
from rnninit_hooks.recipes.targets import OfUniform, judge_mapped, roundings

if TYPE_CHECKING:
    from torch import Tensor
    from typing_extensions import Self

_BELOW_1 = 1.0 - 2.0**-53
_ULP = 2.0**-48
"""What float64 itself does to a number of order 1 on the way through exp and log."""


def _leaf(block: Block) -> str:
    return block.address.rpartition(".")[2]


def _beside(block: Block, leaf: str) -> str:
    """The address of another parameter of the same module."""
    path, dot, _ = block.address.rpartition(".")
    return path + dot + leaf


class _Ring(Recipe):
    """Radii between `r_min` and `r_max` whose squares are uniform, so that the points fill the ring evenly."""

    r_min: float = Field(ge=0.0, lt=1.0)
    r_max: float = Field(gt=0.0, le=1.0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.r_min < self.r_max:
            raise ValueError(f"r_min must be below r_max, found r_min {self.r_min} and r_max {self.r_max}")
        return self

    def _square(self, u: Tensor) -> Tensor:
        """The squared radius of a uniform number; below 1, so that its logarithm is not 0."""
        low, high = self.r_min**2, self.r_max**2
        return (u * (high - low) + low).clamp_max(_BELOW_1)

    def _unit(self, square: Tensor) -> Tensor:
        low, high = self.r_min**2, self.r_max**2
        return (square - low) / (high - low)


@recipe("lru_ring")
class LruRing(_Ring):
    """The three parameters of a Linear Recurrent Unit's eigenvalue lambda = exp(-exp(nu) + i exp(theta)), drawn together.

    One rule matches them all (`match: {module: LRU}` will do); each is known by the last part of its name, which
    `radius`, `phase` and `scale` say. `radius` holds nu = log(-log|lambda|), `phase` log of the angle, `scale`
    log sqrt(1 - |lambda|²), computed from the number that its neighbour `radius` draws and judged against it. A model
    without one of them is fine, but a `scale` without a `radius` under the same rule is refused. For long sequences the
    paper narrows the ring and the phase.

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> ring, names = LruRing(r_min=0.9, r_max=0.999), ("lru.nu_log", "lru.gamma_log")
    >>> nu, gamma = (ring.fill(Block(name, (4,)), Keyed(0, name)) for name in names)
    >>> (-nu.exp()).exp().min() > 0.9
    tensor(True)
    >>> ((-2 * nu.exp()).exp() + (2 * gamma).exp()).sub(1).abs().max() < 1e-12
    tensor(True)
    """

    formula: ClassVar[str] = (
        "|lambda|^2 ~ U(r_min^2, r_max^2), nu = log -log|lambda|, theta = log U(0, max_phase), gamma = log sqrt(1 - |lambda|^2)"
    )
    source: ClassVar[str] = "Orvieto et al. 2023, arXiv:2303.06349; NicolasZucchet/minimal-LRU lru/model.py"
    joint: ClassVar[bool] = True

    r_min: float = Field(default=0.0, ge=0.0, lt=1.0)
    r_max: float = Field(default=1.0, gt=0.0, le=1.0)
    max_phase: float = Field(default=2.0 * math.pi, gt=0.0, le=2.0 * math.pi, description="Largest angle, in radians.")
    radius: str = Field(default="nu_log", min_length=1, description="Last part of the name of log(-log|lambda|).")
    phase: str = Field(default="theta_log", min_length=1, description="Last part of the name of the angle's logarithm.")
    scale: str = Field(default="gamma_log", min_length=1, description="Last part of the name of log sqrt(1 - |lambda|^2).")

    @model_validator(mode="after")
    def _three_names(self) -> Self:
        names = (self.radius, self.phase, self.scale)
        if len(set(names)) < len(names):
            raise ValueError(f"radius, phase and scale are three parameters, found {', '.join(names)}")
        return self

    def claims(self, block: Block) -> bool:
        """Only parameters of these three names."""
        return _leaf(block) in (self.radius, self.phase, self.scale)

    def refuse(self, block: Block) -> str | None:
        """Only parameters of these three names have a part in the ring."""
        if self.claims(block):
            return None
        return f"lru_ring writes {self.radius}, {self.phase} and {self.scale}; say `radius`, `phase`, `scale` for other names"

    def refuse_together(self, blocks: tuple[Block, ...]) -> str | None:
        """A scale needs its radius under the same rule, in the same shape."""
        for radius, scale in _pairs(self, blocks):
            if radius is None:
                return f"{scale.address} follows {self.radius} beside it, which this rule does not decide"
            if radius.shape != scale.shape:
                return f"{scale.address} has shape {scale.shape}, and {radius.address} has {radius.shape}"
        return None

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """The part of the ring that the parameter's name says."""
        demand(self, block)
        leaf = _leaf(block)
        if leaf == self.scale:
            draw = draw.of(_beside(block, self.radius))
        u = draw.uniform(*block.shape)
        return self._stored_phase(u) if leaf == self.phase else self._stored_radius(u, leaf == self.scale)

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Radii in the ring and their squares uniform, or angles uniform up to `max_phase`."""
        if (leaf := _leaf(block)) == self.phase:
            return judge_mapped(block, value, self._stored_phase, lambda v: v.exp() / self.max_phase)
        scale = leaf == self.scale
        return judge_mapped(block, value, lambda u: self._stored_radius(u, scale), lambda v: self._unit(_square(v, scale)))

    def law_together(self, blocks: tuple[Block, ...], values: tuple[Tensor, ...]) -> tuple[Breach, ...]:
        """|lambda|² + gamma² = 1, element by element, up to what rounding does to each."""
        held = {block.address: value for block, value in zip(blocks, values, strict=True)}
        pairs = ((radius, scale) for radius, scale in _pairs(self, blocks) if radius and radius.shape == scale.shape)
        return tuple(breach for r, s in pairs for breach in _untied(r, s, held[r.address], held[s.address]))

    def _stored_phase(self, u: Tensor) -> Tensor:
        return (u * self.max_phase).log()

    def _stored_radius(self, u: Tensor, scale: bool) -> Tensor:
        square = self._square(u)
        return (-square).log1p() * 0.5 if scale else (square.log() * -0.5).log()


def _pairs(ring: LruRing, blocks: tuple[Block, ...]) -> list[tuple[Block | None, Block]]:
    """Every scale with the radius beside it."""
    known: dict[str, Block | None] = defaultdict(lambda: None, {block.address: block for block in blocks})
    return [(known[_beside(block, ring.radius)], block) for block in blocks if _leaf(block) == ring.scale]


def _square(stored: Tensor, scale: bool) -> Tensor:
    """|lambda|² that a stored radius or scale stands for."""
    return -(stored * 2.0).expm1() if scale else (stored.exp() * -2.0).exp()


def _untied(radius: Block, scale: Block, nu: Tensor, gamma: Tensor) -> tuple[Breach, ...]:
    """Both fall as they rise, so that the numbers that rounding may have come from are two intervals that must meet."""
    here, there = roundings(radius, nu), roundings(scale, gamma)
    apart = (_square(nu + here, False) > _square(gamma - there, True) + _ULP) | (
        _square(nu - here, False) < _square(gamma + there, True) - _ULP
    )
    wrong = int(apart.sum())
    if not wrong:
        return ()
    sums = (_square(nu, False) + (gamma * 2.0).exp()).flatten()
    worst = float(sums[int((sums - 1.0).abs().argmax())])
    law = f"|lambda|² + gamma² of {radius.address} and {scale.address}"
    return (Breach(law, f"{worst:.9g} ({wrong} of {sums.numel()} elements differ)", "1"),)


@recipe("rg_lru")
class RgLru(_Ring, OfUniform):
    """The recurrence parameter of Griffin's RG-LRU: base a = exp(-softplus(value)) with a² uniform in the ring.

    The layer decays by a to the power 8 r, r its gate: with r = 1/2 the default ring of .9 to .999 gives .656 to .996.

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> value = RgLru().fill(Block("lru.a_param", (5,)), Keyed(0, "lru.a_param"))
    >>> (-value.exp().log1p()).exp().max() < 0.999
    tensor(True)
    """

    formula: ClassVar[str] = "W = softplus^-1(-log a), a^2 ~ U(r_min^2, r_max^2)"
    source: ClassVar[str] = "De et al. 2024, arXiv:2402.19427; google-deepmind/recurrentgemma torch/layers.py rnn_param_init"

    r_min: float = Field(default=0.9, ge=0.0, lt=1.0)
    r_max: float = Field(default=0.999, gt=0.0, le=1.0)

    def stored(self, u: Tensor) -> Tensor:
        """softplus⁻¹(-log a) = log(1/a - 1)."""
        return (self._square(u).log() * -0.5).expm1().log()

    def unit(self, value: Tensor) -> Tensor:
        """Where a² = (1 + e^value)⁻² stands in the ring."""
        return self._unit((value.exp().log1p() * -2.0).exp())

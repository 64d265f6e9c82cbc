"""Recipes of diagonal state-space layers: S4D's A, Mamba's A and step sizes, log-uniform numbers. Wakes no torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, model_validator

from rnninit_hooks.recipes.base import Block, Recipe
from rnninit_hooks.recipes.laws import Spread
from rnninit_hooks.recipes.registry import recipe
from rnninit_hooks.recipes.targets import UNIT, ClosedForm, OfUniform

if TYPE_CHECKING:
    from torch import Tensor
    from typing_extensions import Self


@recipe("s4d_real")
class S4dReal(ClosedForm):
    """A = -1, -2, ..., -N along the last axis, stored as log(-A): S4D-Real, and Mamba's `A_log` of shape (channels, N).

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> S4dReal().fill(Block("mixer.A_log", (2, 3)), Keyed(0, "mixer.A_log")).exp().neg()
    tensor([[-1.0000, -2.0000, -3.0000],
            [-1.0000, -2.0000, -3.0000]], dtype=torch.float64)
    """

    formula: ClassVar[str] = "W = log(n + 1), n = 0, 1, ... along the last axis"
    source: ClassVar[str] = "Gu et al. 2022, arXiv:2206.11893 (S4D-Real); state-spaces/mamba modules/mamba_simple.py"

    def refuse(self, block: Block) -> str | None:
        """A number has no last axis to count along."""
        return None if block.shape else "s4d_real counts along the last axis, and this block is a single number"

    def target(self, block: Block, ones: Tensor) -> Tensor:
        """log(1), log(2), ..., log(N)."""
        return ones.cumsum(-1).log()


@recipe("s4d_lin")
class S4dLin(ClosedForm):
    """A = -1/2 + i pi n along the last axis, in two parameters: `real` holds log(1/2), `imag` holds pi n.

    One rule matches both; each is known by the last part of its name, as S4D's own minimal code has them. Its frozen
    form registers them as buffers, which no rule matches.

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> S4dLin().fill(Block("kernel.A_imag", (3,)), Keyed(0, "kernel.A_imag"))
    tensor([0.0000, 3.1416, 6.2832], dtype=torch.float64)
    """

    formula: ClassVar[str] = "A = -1/2 + i pi n; log_A_real = log(1/2), A_imag = pi n"
    source: ClassVar[str] = "Gu et al. 2022, arXiv:2206.11893 (S4D-Lin); state-spaces/s4 models/s4/s4d.py"
    joint: ClassVar[bool] = True

    real: str = Field(default="log_A_real", min_length=1, description="Last part of the name of log(-Re A).")
    imag: str = Field(default="A_imag", min_length=1, description="Last part of the name of Im A.")

    @model_validator(mode="after")
    def _two_names(self) -> Self:
        if self.real == self.imag:
            raise ValueError(f"real and imag are two parameters, found {self.real!r} for both")
        return self

    def claims(self, block: Block) -> bool:
        """Only parameters of these two names."""
        return block.address.rpartition(".")[2] in (self.real, self.imag)

    def refuse(self, block: Block) -> str | None:
        """Only parameters of these two names are a part of A, and a number has no last axis."""
        if not self.claims(block):
            return f"s4d_lin writes {self.real} and {self.imag}; say `real` and `imag` for other names"
        return None if block.shape else "s4d_lin counts along the last axis, and this block is a single number"

    def target(self, block: Block, ones: Tensor) -> Tensor:
        """log(1/2), or 0, pi, 2 pi, ..., as the parameter's name says."""
        if block.address.rpartition(".")[2] == self.real:
            return ones * math.log(0.5)
        return (ones.cumsum(-1) - 1.0) * math.pi


class _Between(Recipe):
    """Two positive bounds."""

    low: float = Field(gt=0.0)
    high: float = Field(gt=0.0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low must be below high, found low {self.low} and high {self.high}")
        return self

    def _log_between(self, u: Tensor) -> Tensor:
        return u * (math.log(self.high) - math.log(self.low)) + math.log(self.low)

    def _share(self, log: Tensor) -> Tensor:
        return (log - math.log(self.low)) / (math.log(self.high) - math.log(self.low))


@recipe("log_uniform")
class LogUniform(_Between, OfUniform):
    """exp U(log low, log high), every factor alike; with `as_log` its logarithm is stored, as S4D's `log_dt` is.

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> value = LogUniform(low=0.001, high=0.1, as_log=True).fill(Block("log_dt", (4,)), Keyed(0, "log_dt"))
    >>> 0.001 < value.exp().min() and value.exp().max() < 0.1
    tensor(True)
    """

    formula: ClassVar[str] = "W = exp U(log low, log high); with as_log, W = U(log low, log high)"
    source: ClassVar[str] = "S4 step sizes, .001 to .1: state-spaces/s4 models/s4/s4d.py"

    as_log: bool = False

    def stored(self, u: Tensor) -> Tensor:
        """The number, or its logarithm."""
        log = self._log_between(u)
        return log if self.as_log else log.exp()

    def unit(self, value: Tensor) -> Tensor:
        """Where the logarithm stands between those of the bounds."""
        return self._share(value if self.as_log else value.clamp_min(self.low).log())


@recipe("mamba_dt_bias")
class MambaDtBias(_Between, OfUniform):
    """Bias of Mamba's step size: softplus(bias) = dt, log-uniform between `low` and `high` and at least `floor`.

    Mamba marks this bias `_no_reinit`, and marked parameters are kept (RNN115): delete the mark to write it.

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> bias = MambaDtBias().fill(Block("mixer.dt_proj.bias", (4,)), Keyed(0, "mixer.dt_proj.bias"))
    >>> dt = bias.exp().log1p()
    >>> 0.001 < dt.min() and dt.max() < 0.1
    tensor(True)
    """

    formula: ClassVar[str] = "W = dt + log(1 - exp(-dt)), dt = max(exp U(log low, log high), floor)"
    source: ClassVar[str] = "Gu and Dao 2023, arXiv:2312.00752; state-spaces/mamba modules/mamba_simple.py and mamba2.py"

    low: float = Field(default=0.001, gt=0.0)
    high: float = Field(default=0.1, gt=0.0)
    floor: float = Field(default=1e-4, ge=0.0)

    @model_validator(mode="after")
    def _floor_below_high(self) -> Self:
        if self.floor >= self.high:
            raise ValueError(f"floor must be below high, found floor {self.floor} and high {self.high}")
        return self

    def stored(self, u: Tensor) -> Tensor:
        """The number whose softplus is the step size."""
        dt = self._log_between(u).exp().clamp_min(self.floor)
        return dt + (-(-dt).expm1()).log()

    def unit(self, value: Tensor) -> Tensor:
        """Where the logarithm of softplus(value) stands between those of the bounds; never below that of the floor."""
        return self._share((value.clamp_min(0.0) + (-value.abs()).exp().log1p()).log())

    @property
    def spread(self) -> Spread:
        """Uniform, or with all that lies below the floor gathered there."""
        if self.floor <= self.low:
            return UNIT
        least = (math.log(self.floor) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return _raised(least)


def _raised(least: float) -> Spread:
    """max(u, least) of a uniform u: moments by E max(u, a)^k = a^(k+1) + (1 - a^(k+1)) / (k + 1); the heap has no density."""
    m1, m2, m3, m4 = (least ** (k + 1) + (1.0 - least ** (k + 1)) / (k + 1) for k in range(1, 5))
    variance = m2 - m1**2
    central = m4 - 4.0 * m1 * m3 + 6.0 * m1**2 * m2 - 3.0 * m1**4
    return Spread(m1, math.sqrt(variance), least, 1.0, central / variance**2, math.inf)


@recipe("mamba2_a_log")
class Mamba2ALog(OfUniform):
    """Mamba-2's `A_log`, one number a head: log of U(low, high). GatedDeltaNet has low 0; Mamba's own is `s4d_real`.

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> value = Mamba2ALog().fill(Block("mixer.A_log", (4,)), Keyed(0, "mixer.A_log"))
    >>> 1.0 < value.exp().min() and value.exp().max() < 16.0
    tensor(True)
    """

    formula: ClassVar[str] = "W = log U(low, high)"
    source: ClassVar[str] = "Dao and Gu 2024, arXiv:2405.21060; state-spaces/mamba modules/mamba2.py"

    low: float = Field(default=1.0, ge=0.0)
    high: float = Field(default=16.0, gt=0.0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low must be below high, found low {self.low} and high {self.high}")
        return self

    def stored(self, u: Tensor) -> Tensor:
        """The logarithm."""
        return (u * (self.high - self.low) + self.low).log()

    def unit(self, value: Tensor) -> Tensor:
        """Where the number stands between the bounds."""
        return (value.exp() - self.low) / (self.high - self.low)

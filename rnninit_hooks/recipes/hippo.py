"""The HiPPO recipe: closed-form matrices that keep a polynomial memory of the past. Wakes no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from rnninit_hooks.recipes.base import Block
from rnninit_hooks.recipes.registry import recipe
from rnninit_hooks.recipes.targets import ClosedForm

if TYPE_CHECKING:
    from torch import Tensor
    from typing_extensions import Self


@recipe("hippo")
class Hippo(ClosedForm):
    """A or B of x' = A x + B u, in continuous time (nothing is discretised), by `measure`.

    `legs` (scaled Legendre): A = -sqrt((2i+1)(2j+1)) below the diagonal, -(i+1) on it, 0 above; B = sqrt(2i+1).
    `legt` (translated Legendre): A = -sqrt((2i+1)(2j+1)) times 1 on and below the diagonal, (-1)^(i-j) above it.
    `lmu` (Legendre memory unit): A = (2i+1) times -1 above the diagonal, (-1)^(i-j+1) elsewhere; B = (2i+1)(-1)^i.
    `window` divides A and B of `legt` and `lmu`: the length of the past in steps that is kept.
    A fills a square matrix, B a vector (N,) or a column (N, 1).

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> Hippo(measure="legs").fill(Block("ssm.A", (3, 3)), Keyed(0, "ssm.A"))
    tensor([[-1.0000, -0.0000, -0.0000],
            [-1.7321, -2.0000, -0.0000],
            [-2.2361, -3.8730, -3.0000]], dtype=torch.float64)
    """

    formula: ClassVar[str] = "A and B of x' = A x + B u for scaled (legs) or translated (legt, lmu) Legendre measures"
    source: ClassVar[str] = "Gu et al. 2020, arXiv:2008.07669; Voelker et al. 2019 (LMU); state-spaces/s4 hippo.py"

    measure: Literal["legs", "legt", "lmu"]
    matrix: Literal["A", "B"] = "A"
    window: float = Field(default=1.0, gt=0.0, description="Length of the past that legt and lmu keep, in steps.")

    @model_validator(mode="after")
    def _scaled_has_no_window(self) -> Self:
        if self.measure == "legs" and self.window != 1.0:
            raise ValueError(f"window {self.window} says nothing for legs, which keeps all of the past; use legt or lmu")
        return self

    def refuse(self, block: Block) -> str | None:
        """A is square, B a vector or a column."""
        shape = block.shape
        if self.matrix == "A":
            square = len(shape) == 2 and shape[0] == shape[1] > 0
            return None if square else f"hippo's A is a square matrix, and this block has shape {shape}"
        column = len(shape) in (1, 2) and shape[0] > 0 and shape[1:] in ((), (1,))
        return None if column else f"hippo's B is a vector or one column, and this block has shape {shape}"

    def target(self, block: Block, ones: Tensor) -> Tensor:
        """The closed form."""
        if self.matrix == "B":
            return _column(self.measure, ones.cumsum(0) - 1.0) / self.window
        return _square(self.measure, ones.cumsum(0) - 1.0, ones.cumsum(1) - 1.0) / self.window


def _column(measure: str, i: Tensor) -> Tensor:
    odd = 2.0 * i + 1.0
    return odd * _sign(i) if measure == "lmu" else odd.sqrt()


def _square(measure: str, i: Tensor, j: Tensor) -> Tensor:
    below, above = i > j, i < j
    if measure == "lmu":
        return (2.0 * i + 1.0) * (-_sign(i - j)).masked_fill(above, -1.0)
    full = -((2.0 * i + 1.0) * (2.0 * j + 1.0)).sqrt()
    if measure == "legt":
        return full * _sign(i - j).masked_fill(~above, 1.0)
    return full * below - (i + 1.0) * (i == j)


def _sign(power: Tensor) -> Tensor:
    """(-1)^power of whole numbers."""
    return 1.0 - 2.0 * (power.abs() % 2.0)

"""Gate biases that give every unit a horizon of its own: one draw, two gates. Wakes no torch."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from rnninit_hooks.recipes.base import Block, Breach, Draw, Recipe
from rnninit_hooks.recipes.laws import judge, rounding, unfit, uniform_spread
from rnninit_hooks.recipes.registry import recipe

if TYPE_CHECKING:
    from torch import Tensor


class PairedBias(Recipe):
    """What the paired schemes share: one bias per unit, +b for the gate that keeps the old state, -b for the input gate.

    A gate that overwrites the old state when open (polarity -1) gets -b. Where a cell has no gate called `input`, as a
    GRU, there is no pair. The two are opposite bit for bit in every dtype, since rounding is symmetric (a constant that a
    cell adds in `forward` is subtracted before, and then rounding may differ in the last bit).
    """

    joint: ClassVar[bool] = True

    def logits(self, block: Block, draw: Draw) -> Tensor:
        """What the gate that keeps feels, per unit; `draw` is the same for both gates."""
        raise NotImplementedError

    def judged(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """What is wrong with the logits of the gate that keeps."""
        raise NotImplementedError

    def claims(self, block: Block) -> bool:
        """The biases of the gate that keeps or overwrites the old state, and of the input gate."""
        return block.kind == "bias" and block.group is not None and (block.polarity != 0 or block.gate == "input")

    def refuse(self, block: Block) -> str | None:
        """Only the biases that it claims."""
        if block.kind == "bias" and (block.polarity or block.gate == "input"):
            return None
        return f"{self.kind} is for the bias of the gate that keeps the old state, and of the input gate"

    def refuse_together(self, blocks: tuple[Block, ...]) -> str | None:
        """Half a pair is another scheme."""
        gates = {block.gate for block in blocks}
        if not any(block.polarity for block in blocks):
            return f"{self.kind} pairs the input gate with the gate that keeps the old state, which the rule does not match"
        if "input" in blocks[0].peers and "input" not in gates:
            return f"{self.kind} pairs this gate with the input gate, which the rule misses; say `gate: [retain, input]`"
        return None

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """The logits with the gate's sign."""
        return self.logits(block, draw.of(block.group or block.address)) * _sign(block)

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """The logits, freed of the gate's sign, are what the scheme draws."""
        return unfit(block, value) or self.judged(block, value * _sign(block))

    def law_together(self, blocks: tuple[Block, ...], values: tuple[Tensor, ...]) -> tuple[Breach, ...]:
        """The two gates' biases are opposite, unit by unit, up to rounding."""
        freed = [value * _sign(block) for block, value in zip(blocks, values, strict=True)]
        gap = max((float((other - freed[0]).abs().max()) for other in freed[1:] if other.numel()), default=0.0)
        allowed = 2.0 * rounding(blocks[0], float(freed[0].abs().max())) if freed[0].numel() else 0.0
        if gap <= allowed:
            return ()
        names = " and ".join(str(block.gate) for block in blocks)
        return (Breach(f"sum of {names}", f"up to {gap:.6g} from 0", "0: one draw, opposite signs"),)


def _sign(block: Block) -> int:
    return block.polarity or -1


def _inside(block: Block, value: Tensor, low: float, high: float) -> tuple[Breach, ...]:
    slack = rounding(block, max(abs(low), abs(high)))
    least, most = float(value.min()), float(value.max())
    if low - slack <= least and most <= high + slack:
        return ()
    return (Breach("range of the bias, sign of the gate taken off", f"{least:.6g} to {most:.6g}", f"{low:.6g} to {high:.6g}"),)


@recipe("chrono")
class Chrono(PairedBias):
    """Forget biases log u with u ~ U(1, t_max - 1), input biases -log u: horizons from 2 to `t_max` steps.

    One u per unit, layer and direction. In torch's GRU the update gate gets log u. `t_max` is the longest lag, in steps,
    more than 2.

    >>> import torch, rnninit_hooks as ri
    >>> lstm, match = torch.nn.LSTM(3, 4), ri.Match(kind="bias", gate=["forget", "input"])
    >>> pair = ri.Rule(id="pair", match=match, init=ri.Chrono(t_max=50.0))
    >>> _ = ri.apply(lstm, ri.Policy(rules=[pair], untouched="allow"))
    >>> felt = lstm.bias_ih_l0 + lstm.bias_hh_l0
    >>> torch.equal(felt[4:8], -felt[0:4]), bool((felt[4:8] > 0).all() and (felt[4:8] < 3.9).all())
    (True, True)
    """

    formula: ClassVar[str] = "b_keep = ±log u, b_input = -log u, u ~ U(1, t_max - 1), one u for both"
    source: ClassVar[str] = "Tallec and Ollivier 2018, arXiv:1804.11188, eq. 16"

    t_max: float = Field(gt=2, description="The longest lag, in steps; more than 2.")

    def logits(self, block: Block, draw: Draw) -> Tensor:
        """log u."""
        return draw.uniform(*block.shape).mul_(self.t_max - 2.0).add_(1.0).log_()

    def judged(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Between 0 and log(t_max - 1); u as uniform as chance allows."""
        if not value.numel():
            return ()
        outside = _inside(block, value, 0.0, math.log(self.t_max - 1.0))
        return outside or judge(_coarser(block, value), value.exp(), uniform_spread(1.0, self.t_max - 1.0))


@recipe("uniform_gate")
class UniformGate(PairedBias):
    """Gates that start uniformly open: the keeping gate at u ~ U(1/H, 1 - 1/H), the input gate at 1 - u.

    H is the hidden size. Refused for H of 1 (no such u) and of 2 (a single point).

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> block = Block("rnn.bias_l0[forget]", (8,), kind="bias", gate="forget", hidden_size=8, polarity=1, group="g")
    >>> opened = UniformGate().fill(block, Keyed(0, block.address)).sigmoid()
    >>> bool((opened > 1 / 8).all() and (opened < 7 / 8).all())
    True
    """

    formula: ClassVar[str] = "b_keep = ±logit u, b_input = -logit u, u ~ U(1/H, 1 - 1/H), one u for both"
    source: ClassVar[str] = "Gu et al. 2020, arXiv:1910.09890 (uniform gate initialisation)"

    def refuse(self, block: Block) -> str | None:
        """Needs a hidden size of 3 at least."""
        if reason := super().refuse(block):
            return reason
        size = _size(block)
        return None if size > 2 else f"U(1/H, 1 - 1/H) holds no interval for H = {size}"

    def logits(self, block: Block, draw: Draw) -> Tensor:
        """logit u."""
        low = 1.0 / _size(block)
        return draw.uniform(*block.shape).mul_(1.0 - 2.0 * low).add_(low).logit_()

    def judged(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Within ±log(H - 1); u as uniform as chance allows."""
        if not value.numel():
            return ()
        low, bound = 1.0 / _size(block), math.log(_size(block) - 1.0)
        outside = _inside(block, value, -bound, bound)
        return outside or judge(_coarser(block, value), value.sigmoid(), uniform_spread(low, 1.0 - low))


@recipe("log_spaced")
class LogSpaced(PairedBias):
    """Horizons without chance: t_k from 1 to `t_max`, evenly spaced in log t; the gate that keeps gets log t_k.

    The input gate gets -log t_k where the cell has one. A single unit gets log t_max.

    >>> LogSpaced(t_max=100.0).spaced(3)
    [0.0, 2.302585092994046, 4.605170185988092]
    """

    formula: ClassVar[str] = "b_keep = ±log t_k, b_input = -log t_k, t_k geometric from 1 to t_max"
    source: ClassVar[str] = "common practice after Tallec and Ollivier 2018, arXiv:1804.11188"
    constant: ClassVar[bool] = True

    t_max: float = Field(gt=1, description="The longest horizon, in steps; more than 1.")

    def spaced(self, count: int) -> list[float]:
        """The logits of `count` units."""
        longest = math.log(self.t_max)
        return [longest * (k / (count - 1)) for k in range(count)] if count > 1 else [longest] * count

    def logits(self, block: Block, draw: Draw) -> Tensor:
        """log t_k."""
        return _vector(draw, self.spaced(math.prod(block.shape))).reshape(block.shape)

    def judged(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Every unit has its own log t_k, up to rounding."""
        wanted = value.new_tensor(self.spaced(value.numel())).reshape(block.shape)
        gap = float((value - wanted).abs().max()) if value.numel() else 0.0
        if gap <= rounding(block, math.log(self.t_max)):
            return ()
        return (Breach("log-spaced biases", f"up to {gap:.6g} away", f"0 to {math.log(self.t_max):.6g} in even steps"),)


def _vector(draw: Draw, values: list[float]) -> Tensor:
    found = draw.full(len(values), value=0.0)
    for index, value in enumerate(values):
        found[index] = value
    return found


def _size(block: Block) -> int:
    return block.hidden_size or math.prod(block.shape)


def _coarser(block: Block, value: Tensor) -> Block:
    """Rounding of a bias b moves exp b by |b| units in the last place."""
    return replace(block, eps=block.eps * (2.0 + 2.0 * float(value.abs().max())))

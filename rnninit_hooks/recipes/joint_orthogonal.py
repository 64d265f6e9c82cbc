"""Recurrent batch normalisation's start: the candidate's block the identity, the other gates one orthogonal matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rnninit_hooks.recipes.base import Block, Breach, Draw, Recipe
from rnninit_hooks.recipes.fills import Identity
from rnninit_hooks.recipes.laws import demand, unfit
from rnninit_hooks.recipes.matrices import moved, not_square, worked
from rnninit_hooks.recipes.orthogonal import Orthogonal
from rnninit_hooks.recipes.registry import recipe

if TYPE_CHECKING:
    from torch import Tensor


@recipe("recurrent_bn")
class RecurrentBN(Recipe):
    """Recurrent blocks: the identity for the candidate, one orthogonal matrix of all the other gates together.

    `candidate` names the gate that computes the new content: `cell` in an LSTM, `new` in a GRU. The other blocks, stacked
    in the order of the module's gates, have orthonormal columns, so that none of them alone is orthogonal; a rule must
    therefore decide every gate of a layer.

    >>> import torch, rnninit_hooks as ri
    >>> rule = ri.Rule(id="bn", match=ri.Match(kind="recurrent"), init=RecurrentBN())
    >>> lstm = torch.nn.LSTM(3, 4)
    >>> _ = ri.apply(lstm, ri.Policy(rules=[rule], untouched="allow"))
    >>> i, f, g, o = lstm.weight_hh_l0.split(4)
    >>> torch.equal(g, torch.eye(4)), torch.allclose(i.T @ i + f.T @ f + o.T @ o, torch.eye(4), atol=1e-6)
    (True, True)
    """

    formula: ClassVar[str] = "W_candidate = I; the other gates' blocks stacked: W^T W = I, Haar-distributed"
    source: ClassVar[str] = "Cooijmans et al. 2017, Recurrent batch normalization, arXiv:1603.09025, and its code"
    divisible: ClassVar[bool] = False
    joint: ClassVar[bool] = True

    candidate: str = "cell"

    def claims(self, block: Block) -> bool:
        """Recurrent matrices of gates alone."""
        return block.kind == "recurrent" and block.gate is not None

    def refuse(self, block: Block) -> str | None:
        """A square recurrent block of a module that has the candidate and other gates."""
        if reason := not_square(self, block):
            return reason
        if block.kind != "recurrent" or block.group is None or block.gate not in block.peers:
            return "recurrent_bn speaks of the recurrent blocks of gates, and this is none; match `kind: recurrent`"
        if self.candidate in block.peers and len(block.peers) > 1:
            return None
        gates = ", ".join(block.peers)
        return f"recurrent_bn needs the candidate gate {self.candidate!r} and another, and this module has {gates}"

    def refuse_together(self, blocks: tuple[Block, ...]) -> str | None:
        """The others are orthogonal together, so that all must be there, once and of one size."""
        peers = blocks[0].peers
        found = tuple(block.gate for block in blocks)
        if sorted(map(str, found)) != sorted(peers):
            return f"it decides {', '.join(map(str, found))} of a layer, expected each of {', '.join(peers)} once"
        shapes = {block.shape for block in blocks}
        return None if len(shapes) == 1 else f"the blocks of a layer have different shapes, {sorted(shapes)}"

    def _others(self, block: Block) -> list[str]:
        return [gate for gate in block.peers if gate != self.candidate]

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """The identity, or this gate's rows of the matrix that all the others share."""
        demand(self, block)
        size, others = block.shape[0], self._others(block)
        if block.gate == self.candidate:
            return draw.eye(size)
        shared = draw.of(str(block.group)).haar(len(others) * size, size).double()
        start = others.index(str(block.gate)) * size
        return shared[start : start + size].clone()

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """The candidate is the identity; no other block, being part of an orthogonal matrix, lengthens a vector."""
        if block.gate == self.candidate:
            return Identity().law(block, value)
        if breaches := unfit(block, value):
            return breaches
        import torch  # so that reading rules wakes none

        found = float(torch.linalg.matrix_norm(value, 2))
        if found <= 1.0 + moved(block, value) + worked(block, 1.0):
            return ()
        return (Breach("largest singular value", f"{found:.9g}", "at most 1"),)

    def law_together(self, blocks: tuple[Block, ...], values: tuple[Tensor, ...]) -> tuple[Breach, ...]:
        """The blocks other than the candidate's, stacked, have orthonormal columns."""
        import torch  # so that reading rules wakes none

        parts = {block.gate: value for block, value in zip(blocks, values, strict=True)}
        others = self._others(blocks[0])
        if not all(gate in parts for gate in others):
            return ()
        stack = torch.cat([parts[gate] for gate in others])
        whole = Block(str(blocks[0].group), tuple(stack.shape), eps=max(block.eps for block in blocks))
        return tuple(
            Breach(f"{' + '.join(others)} together, {breach.law}", breach.found, breach.expected)
            for breach in Orthogonal().law(whole, stack)
        )

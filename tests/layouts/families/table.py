"""Every family with how to build it, how to call it for one step, and the facts of its layout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import rnninit_hooks as ri
from tests.layouts import families as known
from tests.layouts.families import bias, conv, fused, gates, gru, odd, part, separate, sequences, single, transposed, turned

XH = (("input", None), ("recurrent", "hidden_size"))
HX = XH[::-1]
SIDE = {"axis": 1, "transposed": True}
FIRST_ROW = {"axis": 1, "fixed": ((0, 0),)}
FILES = (fused, single, turned)  # which enter their families when imported
SHAPES = {"step": (), "image": (3, 3)}


@dataclass(frozen=True)
class Call:
    """How a family runs one step. Its memory is the last of its states, and the last tensor that it gives back.

    `x` is (batch, in) and states are (batch, width) for the caller of a `Call`, whatever `style` makes of them:
    `step`, `image` (constant over 3x3 pixels), `batch_first`, `time_first`, `stacked` (time first, states (1, batch, H)).
    """

    states: int = 2
    packed: bool = True
    style: str = "step"
    wider: int = 0
    static: int = 0

    def widths(self, hidden: int) -> tuple[int, ...]:
        """Of each state; the memory may be wider than what is given out."""
        return (*[hidden] * (self.states - 1), hidden + self.wider)

    def __call__(self, module: nn.Module, x: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """What the step gives out and the new memory, both (batch, width)."""
        given = tuple(self._shaped(state, state=True) for state in states)
        inputs = (self._shaped(x), *([x.new_ones(len(x), self.static)] if self.static else []))
        found = list(_tensors(module(*inputs, given) if self.packed and self.states > 1 else module(*inputs, *given)))
        return self._plain(found[0]), self._plain(found[-1])

    def _shaped(self, value: Tensor, *, state: bool = False) -> Tensor:
        if self.style == "image":
            return value[:, :, None, None].expand(-1, -1, 3, 3)
        if self.style in ("batch_first", "time_first", "stacked") and not state:
            return value.unsqueeze(1 if self.style == "batch_first" else 0)
        return value.unsqueeze(0) if self.style == "stacked" else value

    def _plain(self, value: Tensor) -> Tensor:
        if self.style == "image":
            return value.mean((2, 3))
        return value if value.ndim == 2 else value.squeeze(1 if self.style == "batch_first" else 0)


def _tensors(found: Any) -> Iterator[Tensor]:
    if isinstance(found, Tensor):
        yield found
    else:
        for one in found:
            yield from _tensors(one)


@dataclass(frozen=True)
class Family:
    """One class of cells. `loose` names the parameters that no part covers; `note` says why, and why `infer` is False.

    `infer` is True where a prober that knows nothing of the class can be expected to find the layout: one memory,
    blocks of equal size, one input.
    """

    name: str
    build: Callable[[int, int], nn.Module]
    layout: ri.Layout
    infer: bool = True
    note: str = ""
    loose: tuple[str, ...] = ()
    call: Call = Call()

    def step(self, module: nn.Module, size: int, hidden: int = 6) -> tuple[Tensor, Tensor]:
        """One step from a random state, batch 2: what it gives out and the new memory."""
        kind = {"dtype": next(module.parameters()).dtype}
        states = tuple(torch.randn(2, width, **kind) for width in self.call.widths(hidden))
        return self.call(module, torch.randn(2, size, **kind), states)


def entry(cell: type[nn.Module], *parts: ri.Part, call: Call = Call(), infer: bool = True, note: str = "",
          loose: tuple[str, ...] = (), **facts: Any) -> Family:  # fmt: skip
    """A family from its class and parts; `keep` or `write` names the retain gate, `adds` what forward adds to it."""
    keep, write = facts.pop("keep", None), facts.pop("write", None)
    polarity = {known.LONG[keep]: 1} if keep else {known.LONG[write]: -1} if write else {}
    constant = {known.LONG[letter]: value for letter, value in facts.pop("adds", {}).items()}
    name = f"{cell.__module__}.{cell.__qualname__}"
    layout = ri.Layout(name, (name,), parts, polarity=polarity, constant=constant, **facts)
    return Family(cell.__name__, cell, layout, infer, note, loose, call)


ONE, APART = Call(states=1), Call(packed=False)
CALLS = {
    "X2HGRU": ONE, "ProjectedCell": Call(wider=3), "LiGRU": ONE, "MinGRU": ONE, "ConvLSTMCell": Call(style="image"),
    "SeparateConvs": Call(packed=False, style="image"), "SeparateParameters": APART, "ThreePartners": APART, "UpdateWrites": ONE,
    "Janet": ONE, "WriteGateMinusOne": ONE, "HasteGRU": ONE, "KerasGRU": ONE, "SRU": ONE, "WritingGRU": ONE, "IndRNN": ONE,
}  # fmt: skip
LOOSE = {
    "Mogrifier": tuple(f"mogrifier_list.{k}.{one}" for k in (0, 1) for one in ("weight", "bias")),
    "LiGRU": ("norm.weight",),
    "PerHead": ("r",),
}


def _entered() -> Iterator[Family]:
    """The families of `fused`, `single` and `turned`, with the layouts that they were entered with."""
    for one in known.FAMILIES:
        if one.cell.__module__ in {file.__name__ for file in FILES}:
            loose = LOOSE.get(one.name, ())
            note = one.why or ("a norm's gain has no gate of its own" if loose else "")
            yield Family(one.name, one.cell, one.layout, one.found, note, loose, CALLS.get(one.name, Call()))


def linear(name: str, kind: str | None, letters: str, partner: str | None = None, **facts: Any) -> tuple[ri.Part, ri.Part]:
    """Weight and bias of a Linear or a convolution."""
    return part(f"{name}.weight", kind, letters, **facts), bias(f"{name}.bias", letters, partner)


def pair(x: str, h: str, letters: str) -> tuple[ri.Part, ...]:
    """Two Linears whose biases add."""
    return *linear(x, "input", letters, "x"), *linear(h, "recurrent", letters, "h")


def plain(x: str, h: str, letters: str, *biases: str, **facts: Any) -> tuple[ri.Part, ...]:
    """Two matrices and their biases as parameters or children, each by its own name."""
    sums = ("x", "h") if len(biases) > 1 else (None,)
    added = (bias(name, letters, sums[k], interleaved=facts.get("interleaved", False)) for k, name in enumerate(biases))
    return part(x, "input", letters, **facts), part(h, "recurrent", letters, **facts), *added


def _images() -> Iterator[Family]:
    image = Call(style="image")
    yield entry(conv.GatesConvLSTM, *linear("Gates", None, "ifog", columns=XH), keep="f", size="hidden_size", call=image)
    yield entry(conv.TwoConvLSTM, *pair("W_is", "W_ss", "ifog"), keep="f", call=image)
    peep = [part(f"Wc{k}", "peephole", k, **FIRST_ROW) for k in "ifo"]
    pairs = [(f"W{{}}{k}", "g" if k == "c" else k) for k in "ifco"]
    read = [one for name, k in pairs for one in (*linear(name.format("x"), "input", k), part(name.format("h") + ".weight", "recurrent", k))]
    yield entry(conv.PeepholeConvLSTM, *read, *peep, keep="f", call=Call(packed=False, style="image"))
    halves = *linear("conv_gates", None, "rz", columns=XH), *linear("conv_can", None, "n", columns=XH)
    yield entry(conv.ConvGRUCell, *halves, write="z", size="hidden_size", call=Call(states=1, style="image"))


def _columns() -> Iterator[Family]:
    yield entry(transposed.KerasLSTM, *plain("kernel", "recurrent_kernel", "ifgo", "bias", **SIDE), keep="f", size="units")
    gains = [ri.Part(f"gamma_{k}", "gamma", order=gates("igfo"), axis=1, fixed=((0, k),)) for k in (0, 1)]
    yield entry(transposed.LayerNormKernelLSTM, *plain("kernel", "recurrent_kernel", "igfo", "bias", **SIDE), *gains, keep="f",
                size="hidden_size", loose=("gamma_h", "beta_h"), note="gain and beta of the cell's norm have no gate")  # fmt: skip
    yield entry(transposed.EntityAwareLSTM, *plain("weight_ih", "weight_hh", "fog", "bias", **SIDE), *linear("input_net", "input", "i"), keep="f",
                size="hidden_size", infer=False, note="takes two inputs", call=Call(packed=False, static=3))  # fmt: skip
    yield entry(transposed.ZippedGRU, *plain("w", "u", "zrn", "b", **SIDE, interleaved=True), keep="z", size="hidden_size", call=ONE)


def _one_each() -> Iterator[Family]:
    names = dict(zip("ifgo", separate.SequentialGates.names, strict=True))
    first = [one for k in "ifgo" for one in linear(f"{names[k]}.0", None, k, columns=HX)]
    yield entry(separate.SequentialGates, *first, keep="f", size="hidden_size")
    words = dict(zip("ifgo", separate.PairedLinears.names, strict=True))
    read = [one for k in "ifgo" for one in linear(f"linear_{words[k]}_w1", "input", k)]
    said = [part(f"linear_{words[k]}_r1.weight", "recurrent", k) for k in "ifgo"]
    yield entry(separate.PairedLinears, *read, *said, keep="f", size="hidden_size", call=APART)
    rows = [one for k in "ifgo" for one in plain(f"W_{k}", f"U_{k}", k, f"b_{k}")]
    yield entry(separate.RowParameters, *rows, keep="f", size="hidden_size")
    columns = [part(f"w_{s}{k}", kind, k, **SIDE) for s, kind in (("x", "input"), ("h", "recurrent")) for k in "ifgo"]
    yield entry(separate.ColumnParameters, *columns, *(bias(f"b_{k}", k, **FIRST_ROW) for k in "ifgo"), keep="f")
    both = [one for k in "ifgo" for one in (part(f"W{k}", None, k, columns=XH), bias(f"b{k}", k))]
    yield entry(separate.ConcatParameters, *both, keep="f", size="hidden_size")


def _grus() -> Iterator[Family]:
    sized: dict[str, Any] = {"size": "hidden_size", "call": ONE}
    yield entry(gru.MGU, *plain("weight_ih", "weight_hh", "fn", "bias_ih", "bias_hh"), keep="f", **sized)
    read = *linear("fc_x", "input", "rzn"), part("fc_h.weight", "recurrent", "rzn")
    yield entry(gru.WritePlusOne, *read, write="z", adds={"z": 1.0}, **sized)
    six = [one for k in "rzn" for one in pair(f"x_{known.LONG[k]}", f"h_{known.LONG[k]}", k)]
    yield entry(gru.ResetBefore, *six, keep="z", **sized)
    yield entry(gru.ResetAfter, *six, keep="z", separate=("new",), **sized)
    alone = part("to_hidden_and_f_i_gate.weight", "input", "gfi")
    yield entry(gru.MinLSTM, alone, keep="f", call=ONE)
    yield entry(gru.NormalisedMinLSTM, alone, infer=False, note="what is kept is f / (f + i): no logit of one gate says it", call=ONE)
    yield entry(gru.LayerNormLiGRU, *plain("w.weight", "u.weight", "nz", "norm.bias"), keep="z", loose=("norm.weight",),
                note="a norm's gain has no gate of its own", **sized)  # fmt: skip


def _odd() -> Iterator[Family]:
    normed = plain("i2h.weight", "h2h.weight", "ifog", "ln_i2h.bias", "ln_h2h.bias")
    yield entry(odd.I2HLayerNorm, *normed, keep="f", adds={"f": -1.0}, size="hidden_size", note="gains, and the cell's norm, have no gate",
                loose=("ln_i2h.weight", "ln_h2h.weight", "ln_c.weight", "ln_c.bias"))  # fmt: skip
    yield entry(odd.I2HPlain, *pair("i2h", "h2h", "fiog"), keep="f", adds={"f": -1.0}, size="hidden_size")
    six = (*gates("ifgo"), "highway", "carry")
    augmented = (ri.Part("input_linearity.weight", r"input_linearity\.weight", kind="input", order=six),
                 ri.Part("state_linearity.weight", r"state_linearity\.weight", kind="recurrent", order=six[:5]),
                 ri.Part("state_linearity.bias", r"state_linearity\.bias", kind="bias", order=six[:5]))  # fmt: skip
    yield entry(odd.AugmentedLSTMCell, *augmented, keep="f", size="lstm_dim")
    yield entry(odd.PrefixedLSTM, *plain("i2h_weight", "h2h_weight", "ifgo", "i2h_bias", "h2h_bias"), keep="f", size="_hidden_size")
    masters = ("master_input", "master_forget", "output", "cell", "input", "forget")
    extents = {"order": masters, "sizes": ("n_chunk", "n_chunk", *["hidden_size"] * 4)}
    yield entry(odd.OrderedNeurons, *uneven("ih", "hh", extents), infer=False, note="unequal blocks; the masters decide with f what is kept")
    shared = {"order": gates("ifgo"), "sizes": ("hidden_size", "groups", "hidden_size", "hidden_size")}
    yield entry(odd.SharedForget, *uneven("read_x", "read_h", shared)[:3], keep="f", infer=False, note="unequal blocks")


def uneven(x: str, h: str, facts: dict[str, Any]) -> tuple[ri.Part, ...]:
    """Two Linears whose blocks have sizes of their own."""
    sums = "bias" if x == "ih" else None
    ends = ((x, "weight", "input", None), (h, "weight", "recurrent", None), (x, "bias", "bias", sums and "x"), (h, "bias", "bias", sums and "h"))
    return tuple(ri.Part(f"{a}.{b}", rf"{a}\.{b}", kind=k, partner=p, effective=p and sums, **facts) for a, b, k, p in ends)  # type: ignore[arg-type]


def _sequences() -> Iterator[Family]:
    first = {"size": "hidden_size"}
    yield entry(sequences.BatchFirstLSTM, *plain("W", "U", "ifgo", "bias"), keep="f", call=Call(style="batch_first"), **first)
    yield entry(sequences.BatchFirstGRU, *pair("read", "say", "zrn"), keep="z", separate=("new",), call=Call(1, style="batch_first"), **first)
    learned = *linear("inp", "input", "ifgo"), part("rec.weight", "recurrent", "ifgo")
    yield entry(sequences.LearnedStart, *learned, keep="f", loose=("h0", "c0"), note="states that are learned have no gate",
                call=Call(style="time_first"), **first)  # fmt: skip
    where = r"layers\.(?P<layer>\d+)\.layer_(?:fw|(?P<reverse>bw))\.cell\."
    kinds = (("input", "igates", "weight", None), ("bias", "igates", "bias", "ih"), ("recurrent", "hgates", "weight", None), ("bias", "hgates", "bias", "hh"))
    nested = [ri.Part(f"{a}.{b}", rf"{where}{a}\.{b}", kind=k, order=gates("ifgo"), partner=p, effective=p and "bias_l{layer}{reverse}") for k, a, b, p in kinds]  # type: ignore[arg-type]
    yield entry(sequences.NestedLSTM, *nested, keep="f", call=Call(style="stacked"), **first)


FAMILIES: tuple[Family, ...] = (*_entered(), *_images(), *_columns(), *_one_each(), *_grus(), *_odd(), *_sequences())

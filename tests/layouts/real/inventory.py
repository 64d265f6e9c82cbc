"""Recurrent classes of packages that others wrote, with the facts read in their source and confirmed by running them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import nn

from rnninit_hooks.layouts.model import Kind, Layout, Part

INPUT, HIDDEN, BATCH = 5, 7, 2
NATIVE: dict[str, dict[str, dict[str, Any]]] = {
    "speechbrain": {"torchaudio": {"__version__": "2.9"}},
    "encodec": {"torchaudio": {"__version__": "2.9"}},
    "torch_geometric_temporal": {"torch_sparse": {"SparseTensor": object}},
}
SHORT = {"input": "i", "forget": "f", "cell": "g", "output": "o", "reset": "r", "update": "z", "new": "n"}


@dataclass(frozen=True)
class Found:
    """One class: where it is, a small instance, one step with explicit state, and what is true of its parameters.

    `qualified` is `type(m).__module__ + "." + __qualname__`. `layout` is None where the class fuses no gates of its own.
    """

    package: str
    version: str
    qualified: str
    build: Callable[[], nn.Module]
    call: Callable[[nn.Module], Any]
    layout: Layout | None
    note: str


def wave(*shape: int, phase: float = 0.0) -> torch.Tensor:
    """A tensor whose entries all differ and are the same on every machine."""
    count = torch.Size(shape).numel()
    return torch.sin(torch.arange(count, dtype=torch.float32) * 0.7 + 0.3 + phase).reshape(shape)


@contextmanager
def stand_ins(names: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
    """Empty modules under the names of native packages that an import asks for and the classes here never use."""
    missing = {name: contents for name, contents in names.items() if name not in sys.modules and find_spec(name) is None}
    for name, contents in missing.items():
        module = ModuleType(name)
        module.__dict__.update(contents)
        sys.modules[name] = module
    try:
        yield
    finally:
        for name in missing:
            del sys.modules[name]


def made(module: str, name: str, *args: Any, **kwargs: Any) -> Callable[[], nn.Module]:
    """A constructor call that imports only when it is made."""

    def build() -> nn.Module:
        with stand_ins(NATIVE.get(module.partition(".")[0], {})):
            instance: nn.Module = getattr(import_module(module), name)(*args, **kwargs)
        return instance

    return build


def single(module: nn.Module) -> Any:
    """`m(x, h)`."""
    return module(wave(BATCH, INPUT), wave(BATCH, HIDDEN, phase=1.0))


def double(module: nn.Module) -> Any:
    """`m(x, (h, c))`."""
    return module(wave(BATCH, INPUT), (wave(BATCH, HIDDEN, phase=1.0), wave(BATCH, HIDDEN, phase=2.0)))


def previous(module: nn.Module) -> Any:
    """`m(x, (h, x of the step before))`."""
    return module(wave(BATCH, INPUT), (wave(BATCH, HIDDEN, phase=1.0), wave(BATCH, INPUT, phase=2.0)))


def square(module: nn.Module) -> Any:
    """`m(x, h)` where x is as wide as h."""
    return module(wave(BATCH, HIDDEN), wave(BATCH, HIDDEN, phase=1.0))


def bias(name: str, pattern: str, order: Sequence[str], partner: str | None, effective: str = "bias", **more: Any) -> Part:
    """A bias; one of several that the cell adds up where it has a partner name."""
    whole = effective if partner else None
    return Part(name, pattern, "bias", tuple(order), partner=partner, effective=whole, **more)


def layout(qualified: str, parts: Sequence[Part], **facts: Any) -> Layout:
    """A layout for one class, with the usual short names of the gates that it has."""
    gates = {gate for part in parts for gate in part.order}
    short = {letter: gate for gate, letter in SHORT.items() if gate in gates and letter not in gates}
    return Layout(qualified.rpartition(".")[2], (qualified,), tuple(parts), short=short, **facts)


LSTM = ("input", "forget", "cell", "output")
GRU = ("update", "reset", "new")


def recurrent_cell(
    name: str,
    module: str,
    call: Callable[[nn.Module], Any],
    ih: Sequence[str],
    hh: Sequence[str] | None,
    note: str,
    *,
    bias_ih: Sequence[str] | None = None,
    bias_hh: Sequence[str] | None = None,
    more: Sequence[Part] = (),
    options: dict[str, Any] | None = None,
    **facts: Any,
) -> Found:
    """A cell of torchrecurrent: `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh`, gates on axis 0, `W @ x`."""
    qualified = f"torchrecurrent.cells.{module}.{name}"
    parts = [
        Part("weight_ih", r"weight_ih", "input", tuple(ih)),
        bias("bias_ih", r"bias_ih", ih if bias_ih is None else bias_ih, "ih"),
    ]
    if hh is not None:
        parts.append(Part("weight_hh", r"weight_hh", "recurrent", tuple(hh)))
    if hh is not None or bias_hh is not None:
        parts.append(bias("bias_hh", r"bias_hh", hh or () if bias_hh is None else bias_hh, "hh"))
    replaced = {part.name for part in more}
    parts = [part for part in parts if part.name not in replaced] + list(more)
    wide = HIDDEN if call is square else INPUT
    built = made("torchrecurrent", name, wide, HIDDEN, **(options or {}))
    found = layout(qualified, parts, size="hidden_size", required=("weight_ih",), **facts)
    return Found("torchrecurrent", "0.2.5", qualified, built, call, found, note)


ONE = ("hidden",)
KEEPS, WRITES = 1, -1
TORCHRECURRENT = (
    recurrent_cell(
        "AntisymmetricRNNCell", "antisymmetricrnn_cell", single, ONE, ONE,
        "h + epsilon * tanh(W_ih x + (W_hh - W_hh^T - gamma I) h + b_ih + b_hh): forward uses an antisymmetrised W_hh",
    ),
    recurrent_cell(
        "GatedAntisymmetricRNNCell", "antisymmetricrnn_cell", single, ("input", "hidden"), (),
        "one W_hh (H, H) serves both blocks; the input gate has no bias_hh; the gate scales an increment, it does not retain",
        bias_hh=ONE, more=[Part("weight_hh", r"weight_hh", "recurrent")],
    ),
    recurrent_cell(
        "ATRCell", "atr_cell", single, (), (),
        "one block p = W_ih x + b_ih, q = W_hh h + b_hh; sigmoid(p + q) * p + sigmoid(p - q) * h: the retain logit is "
        "b_ih - b_hh, yet the gates own no slot, so no polarity can be said",
        more=[bias("bias_ih", r"bias_ih", (), None), bias("bias_hh", r"bias_hh", (), None)],
    ),
    recurrent_cell(
        "BRCell", "br_cell", single, ("modulation", "update", "new"), ("modulation", "update"),
        "weight_hh (2H,) is diagonal, 1-D; modulation is 1 + tanh; no recurrent weight in new; update keeps",
        polarity={"update": KEEPS},
    ),
    recurrent_cell(
        "NBRCell", "br_cell", single, ("modulation", "update", "new"), ("modulation", "update"),
        "as BRCell with full matrices (2H, H)", polarity={"update": KEEPS},
    ),
    recurrent_cell(
        "CFNCell", "cfn_cell", single, ("forget", "input", "new"), ("forget", "input"),
        "sigmoid(f) * tanh(h) + sigmoid(i) * tanh(W_ih[new] x + b_ih[new]); f keeps tanh(h)", polarity={"forget": KEEPS},
    ),
    recurrent_cell(
        "coRNNCell", "cornn_cell", double, ONE, ONE,
        "no gates; three biases add up; state (h, c)",
        more=[Part("weight_ch", r"weight_ch", "recurrent", ONE), bias("bias_ch", r"bias_ch", ONE, "ch")],
    ),
    recurrent_cell(
        "FastRNNCell", "fastrnn_cell", single, ONE, ONE,
        "alpha, beta of shape (1,): sigmoid(alpha) * new + sigmoid(beta) * h; the retain factor is a scalar parameter",
        more=[Part("alpha", r"alpha"), Part("beta", r"beta")],
    ),
    recurrent_cell(
        "FastGRNNCell", "fastrnn_cell", single, (), (),
        "one W_ih, one W_hh (H, .) for both blocks; only the biases (2H,) are stacked; gate keeps; its function is "
        "`nonlinearity`, tanh by default, so the small instance asks for sigmoid; (zeta (1 - z) + nu) * new + z * h",
        bias_ih=("update", "new"), bias_hh=("update", "new"), options={"nonlinearity": "sigmoid"},
        more=[Part("zeta", r"zeta"), Part("nu", r"nu")], polarity={"update": KEEPS},
    ),
    recurrent_cell(
        "IndRNNCell", "indrnn_cell", single, ONE, None, "the recurrent weight is the vector vector_u (H,)",
        bias_hh=ONE, more=[Part("vector_u", r"vector_u", "recurrent", ONE)],
    ),
    recurrent_cell(
        "IntersectionRNNCell", "intersectionrnn_cell", square,
        ("depth", "new", "highway", "update"), ("depth", "new", "highway", "update"),
        "input as wide as hidden; returns (y, h); update keeps h, highway keeps x in y", polarity={"update": KEEPS},
    ),
    recurrent_cell(
        "JANETCell", "janet_cell", double, ("forget", "cell"), ("forget", "cell"),
        "sigmoid(f) * c + (1 - sigmoid(f - beta)) * tanh(g); beta (a 0-d parameter) is not part of the retain logit; h = c",
        more=[Part("beta", r"beta")], polarity={"forget": KEEPS},
    ),
    recurrent_cell(
        "LEMCell", "lem_cell", double,
        ("update_hidden", "update_cell", "cell", "hidden"), ("update_hidden", "update_cell", "cell"),
        "two memories, two gates, both write: dt * sigmoid(.); weight_ch (H, H) feeds the old c into the candidate of h",
        more=[Part("weight_ch", r"weight_ch", "recurrent", ONE), bias("bias_ch", r"bias_ch", ONE, "ch")],
        polarity={"update_cell": WRITES, "update_hidden": WRITES},
    ),
    recurrent_cell(
        "LightRUCell", "lightru_cell", single, ("new", "forget"), ("forget",),
        "the source says forget_gate; open it writes; candidate first; no recurrent weight in new",
        polarity={"forget": WRITES},
    ),
    recurrent_cell(
        "LiGRUCell", "ligru_cell", single, ("update", "new"), ("update", "new"),
        "update keeps; relu candidate", polarity={"update": KEEPS},
    ),
    recurrent_cell(
        "MCLSTMCell", "mclstm_cell", double,
        ("forget", "input", "output", "control", "cell"), ("forget", "input", "output", "control", "cell"),
        "state (v, c), returns (h, (v, c)); v = control * tanh(c) is what recurs", polarity={"forget": KEEPS},
    ),
    recurrent_cell(
        "MGUCell", "mgu_cell", single, ("forget", "new"), ("forget", "new"),
        "f * new + (1 - f) * h: the forget gate writes; it also scales h before the product of new",
        polarity={"forget": WRITES},
    ),
    recurrent_cell(
        "MinimalRNNCell", "minimalrnn_cell", single, ("new",), ("update",),
        "each parameter serves one gate: weight_ih, bias_ih the latent; weight_hh, weight_mm (on the latent), bias_hh update",
        more=[Part("weight_mm", r"weight_mm", None, ("update",))], polarity={"update": KEEPS},
    ),
    recurrent_cell(
        "MiRU1Cell", "miru_cell", single, ("reset", "new"), ("reset", "new"),
        "retain factor is the number update_coefficient; reset before the product",
    ),
    recurrent_cell(
        "MiRU2Cell", "miru_cell", single, ONE, ONE,
        "retain and reset factors are numbers; no gates; (reset_coefficient * h) W_hh^T",
    ),
    recurrent_cell(
        "MultiplicativeLSTMCell", "multiplicativelstm_cell", double, ("multiplicative", *LSTM), ("multiplicative",),
        "m = (W_ih[m] x + b_ih[m]) * (W_hh h + b_hh), then W_mh m: b_ih[m] and b_hh[m] multiply, they do not add",
        more=[Part("weight_mh", r"weight_mh", "recurrent", LSTM), bias("bias_mh", r"bias_mh", LSTM, "mh")],
        separate=("multiplicative",), polarity={"forget": KEEPS},
    ),
    recurrent_cell(
        "MUT1Cell", "mut_cell", single, GRU, ("reset", "new"),
        "update writes and sees no h; b_ih[new] sits inside a tanh of its own, b_hh[new] does not; reset before the product",
        separate=("new",), polarity={"update": WRITES},
    ),
    recurrent_cell(
        "MUT2Cell", "mut_cell", single, GRU, GRU, "update writes; reset before the product", polarity={"update": WRITES},
    ),
    recurrent_cell(
        "MUT3Cell", "mut_cell", single, GRU, GRU,
        "update writes and sees tanh(h); reset before the product", polarity={"update": WRITES},
    ),
    recurrent_cell(
        "NASCell", "nas_cell", double, tuple(f"g{i}" for i in range(8)), tuple(f"g{i}" for i in range(8)),
        "eight blocks; c is multiplied by tanh(sigmoid(g2) + relu(g3)), which is no sigmoid of one slot: no polarity",
    ),
    recurrent_cell(
        "OriginalLSTMCell", "originallstm_cell", double, ("input", "cell", "output"), ("input", "cell", "output"),
        "no forget gate: c + i * g, nothing retains by a gate",
    ),
    recurrent_cell(
        "PeepholeLSTMCell", "peepholelstm_cell", double, LSTM, LSTM,
        "weight_ph (3H,) is 1-D, order i, f, o; o sees the new c",
        more=[Part("weight_ph", r"weight_ph", "peephole", ("input", "forget", "output"))], polarity={"forget": KEEPS},
    ),
    recurrent_cell(
        "RANCell", "ran_cell", double, ("cell", "input", "forget"), ("input", "forget"),
        "weight_ih has three blocks, content first; weight_hh and both biases have two; content is linear in x",
        bias_ih=("input", "forget"), polarity={"forget": KEEPS},
    ),
    recurrent_cell(
        "ResLSTMCell", "reslstm_cell", double, LSTM, LSTM,
        "peepholes i, f, o; h = o * (W_proj tanh(c) + W_res x)",
        more=[
            Part("weight_ph", r"weight_ph", "peephole", ("input", "forget", "output")),
            Part("weight_proj", r"weight_proj", "projection"), Part("weight_res", r"weight_res"),
        ],
        polarity={"forget": KEEPS},
    ),
    recurrent_cell(
        "SCRNCell", "scrn_cell", double, ("context", "hidden"), ("hidden", "output"),
        "alpha (0-d parameter, raw) keeps c; weight_hh[output] acts on the hidden layer of the same step, not on h; "
        "weight_ch acts on the new c",
        more=[
            Part("weight_ch", r"weight_ch", None, ("hidden", "output")),
            bias("bias_ch", r"bias_ch", ("hidden", "output"), "ch"), Part("alpha", r"alpha"),
        ],
    ),
    recurrent_cell(
        "SGRNCell", "sgrn_cell", single, ("forget",), ("forget",),
        "one block is both gate and candidate: f = sigmoid(p + q), tanh((1 - f) * p + f * h); b_ih enters p as well",
        separate=("forget",), polarity={"forget": KEEPS},
    ),
    recurrent_cell(
        "SGUCell", "sgu_cell", single, ("modulation", "update"), ("modulation", "update"),
        "update writes, through hard_sigmoid; b_ih[modulation] multiplies h, b_hh[modulation] is added",
        separate=("modulation",), polarity={"update": WRITES},
    ),
    recurrent_cell(
        "DSGUCell", "sgu_cell", single, ("modulation", "update"), ("modulation", "update"),
        "as SGUCell, with weight_ho (H, H) on modulation * h",
        more=[Part("weight_ho", r"weight_ho", "recurrent", ("new",))],
        separate=("modulation",), polarity={"update": WRITES},
    ),
    recurrent_cell(
        "STARCell", "star_cell", single, ("new", "input"), ("input",),
        "tanh((1 - i) * h + i * new): the input gate writes; no recurrent weight in new", polarity={"input": WRITES},
    ),
    recurrent_cell(
        "tauGRUCell", "taugru_cell", single,
        ("new", "delayed", "update", "weighting"), ("new", "delayed", "update", "weighting"),
        "update writes: (1 - g) * h + g * (u + a * z); z sees the delayed state (third argument, zeros when left out)",
        polarity={"update": WRITES},
    ),
    recurrent_cell(
        "TRNNCell", "trnn_cell", single, ("new", "forget"), None,
        "no recurrent weight at all; forget keeps; no bias_hh", polarity={"forget": KEEPS},
        more=[bias("bias_ih", r"bias_ih", ("new", "forget"), None)],
    ),
    recurrent_cell(
        "TGRUCell", "trnn_cell", previous, ("new", "forget", "output"), ("new", "forget", "output"),
        "weight_hh (3H, I) acts on the input of the step before: an input weight under a recurrent name; f * h + new * out",
        more=[Part("weight_hh", r"weight_hh", "input", ("new", "forget", "output"))], polarity={"forget": KEEPS},
    ),
    recurrent_cell(
        "TLSTMCell", "trnn_cell", previous, ("new", "forget", "output"), ("new", "forget", "output"),
        "as TGRUCell with 1 - f on the candidate; returns (h, (c, x))",
        more=[Part("weight_hh", r"weight_hh", "input", ("new", "forget", "output"))], polarity={"forget": KEEPS},
    ),
    recurrent_cell(
        "UGRNNCell", "ugrnn_cell", single, ("new", "update"), ("new", "update"),
        "candidate first; update keeps", polarity={"update": KEEPS},
    ),
    recurrent_cell(
        "UnICORNNCell", "unicornn_cell", double, ONE, ONE,
        "weight_hh (H,) diagonal; weight_ch (H,) a time scale through sigmoid; the candidate is subtracted from c; "
        "bias_hh is a buffer of zeros by default, the small instance asks for it",
        options={"recurrent_bias": True}, more=[Part("weight_ch", r"weight_ch")],
    ),
    recurrent_cell(
        "WMCLSTMCell", "wmclstm_cell", double, LSTM, LSTM,
        "weight_mh (3H, H) from c, order i, f, o, and bias_mh go through a tanh before they are added: bias_mh is no partner",
        more=[
            Part("weight_mh", r"weight_mh", "peephole", ("input", "forget", "output")),
            bias("bias_mh", r"bias_mh", ("input", "forget", "output"), None),
        ],
        polarity={"forget": KEEPS},
    ),
)


def linear(name: str, order: Sequence[str], kind: Kind | None, partner: str | None = None, effective: str = "bias", **more: Any) -> list[Part]:
    """The weight of a Linear child and, where it has a partner name, its bias."""
    pattern = name.replace(".", r"\.")
    weight = Part(f"{name}.weight", pattern + r"\.weight", kind, tuple(order), **more)
    return [weight, *([bias(f"{name}.bias", pattern + r"\.bias", order, partner, effective)] if partner else [])]


def concat(name: str, order: Sequence[str], *, first: str = "input", hidden: str = "hidden_size") -> list[Part]:
    """A Linear child on the concatenation of x and h, in the order that `first` says, with its only bias."""
    sources: list[tuple[Any, Any]] = [("input", None), ("recurrent", hidden)]
    columns = tuple(sources if first == "input" else reversed(sources))
    return linear(name, order, None, "only", columns=columns)


def found(
    package: str,
    version: str,
    module: str,
    build: Callable[[], nn.Module],
    call: Callable[[nn.Module], Any],
    parts: Sequence[Part],
    note: str,
    **facts: Any,
) -> Found:
    """An entry whose layout, where it has parts, bears the name of its class."""
    return Found(package, version, module, build, call, layout(module, parts, **facts) if parts else None, note)


H, X = (BATCH, HIDDEN), (BATCH, INPUT)
FORGET_KEEPS: dict[str, Any] = {"polarity": {"forget": KEEPS}, "size": "hidden_size"}
RESET_FIRST = ("reset", "update", "new")


def torch_like(package: str, version: str, module: str, name: str, import_from: str, order: Sequence[str], **facts: Any) -> Found:
    """A class with the names, the orders and the formulas of a torch cell (or of a layer: names with `_l0`)."""
    layered = not name.endswith("Cell")
    suffix = r"_l(?P<layer>\d+)(?P<reverse>_reverse)?" if layered else ""
    effective = "bias_l{layer}{reverse}" if layered else "bias"
    parts = [
        Part("weight_ih", "weight_ih" + suffix, "input", tuple(order)),
        Part("weight_hh", "weight_hh" + suffix, "recurrent", tuple(order)),
        bias("bias_ih", "bias_ih" + suffix, order, "ih", effective),
        bias("bias_hh", "bias_hh" + suffix, order, "hh", effective),
    ]

    def call(module: nn.Module) -> Any:
        if not layered:
            return (double if order == LSTM else single)(module)
        state = (wave(1, *H, phase=1.0), wave(1, *H, phase=2.0))
        return module(wave(BATCH, 1, INPUT), state if order == LSTM else state[0])

    note = "same formulas as torch's own; no subclass of nn.LSTM or nn.GRU" + (", yet one of nn.RNNBase" if layered else "")
    built = made(import_from, name, INPUT, HIDDEN)
    return found(package, version, f"{module}.{name}", built, call, parts, note, size="hidden_size", **facts)


TORCHRL = tuple(
    torch_like("torchrl", "0.14.1", "torchrl.modules.tensordict_module.rnn", name, "torchrl.modules", order, **facts)
    for name, order, facts in (
        ("LSTMCell", LSTM, {"polarity": {"forget": KEEPS}}),
        ("LSTM", LSTM, {"polarity": {"forget": KEEPS}}),
        ("GRUCell", RESET_FIRST, {"polarity": {"update": KEEPS}, "separate": ("new",)}),
        ("GRU", RESET_FIRST, {"polarity": {"update": KEEPS}, "separate": ("new",)}),
    )
)


def quantizable(cell: str, effective: str) -> list[Part]:
    """`igates` and `hgates` of torch's quantizable cell under a prefix."""
    return [
        Part("igates.weight", cell + r"igates\.weight", "input", LSTM),
        Part("hgates.weight", cell + r"hgates\.weight", "recurrent", LSTM),
        bias("igates.bias", cell + r"igates\.bias", LSTM, "ih", effective),
        bias("hgates.bias", cell + r"hgates\.bias", LSTM, "hh", effective),
    ]


def layered_double(module: nn.Module) -> Any:
    """`m(x, (h, c))` with time first and one layer."""
    return module(wave(1, *X), (wave(1, *H, phase=1.0), wave(1, *H, phase=2.0)))


AO = "torch.ao.nn.quantizable.modules.rnn"
SPLIT = [
    part
    for gate in LSTM
    for part in (*linear(f"igates.{gate}", (gate,), "input", "ih"), *linear(f"hgates.{gate}", (gate,), "recurrent", "hh"))
]
QUANTIZABLE = (
    found(
        "torch", "2.13.0", f"{AO}.LSTMCell", made(AO, "LSTMCell", INPUT, HIDDEN), double, quantizable("", "bias"),
        "two Linears i, f, g, o; not an nn.LSTMCell", **FORGET_KEEPS,
    ),
    found(
        "torch", "2.13.0", f"{AO}.LSTMCell", made(AO, "LSTMCell", INPUT, HIDDEN, split_gates=True), double, SPLIT,
        "the same class with split_gates=True: a Linear per gate in two ModuleDicts", **FORGET_KEEPS,
    ),
    found(
        "torch", "2.13.0", f"{AO}.LSTM", made(AO, "LSTM", INPUT, HIDDEN, bidirectional=False), layered_double,
        quantizable(r"layers\.(?P<layer>\d+)\.layer_(?:fw|(?P<reverse>bw))\.cell\.", "bias_l{layer}{reverse}"),
        "holds cells of the class above, which may be matched instead; not an nn.LSTM, not an RNNBase", **FORGET_KEEPS,
    ),
)


def conv_double(module: nn.Module) -> Any:
    """`m(x, (h, c))` on 4 x 4 images."""
    image = (4, 4)
    return module(wave(*X, *image), (wave(*H, *image, phase=1.0), wave(*H, *image, phase=2.0)))


def spiking_image(module: nn.Module) -> Any:
    """`m(x, syn, mem)` on 4 x 4 images: syn is the cell, mem the hidden state."""
    image = (4, 4)
    return module(wave(*X, *image), wave(*H, *image, phase=2.0), wave(*H, *image, phase=1.0))


def conv_gates(hidden: str) -> list[Part]:
    """A convolution on the concatenation of x and h, in the order of the commonest ConvLSTM."""
    order = ("input", "forget", "output", "cell")
    columns: tuple[Any, ...] = (("input", None), ("recurrent", hidden))
    return [Part("conv.weight", r"conv\.weight", None, order, columns=columns), bias("conv.bias", r"conv\.bias", order, "only")]


CONVOLUTIONS = (
    found(
        "conv-lstm", "0.1.2", "conv_lstm.conv_lstm.ConvLSTMCell",
        made("conv_lstm.conv_lstm", "ConvLSTMCell", INPUT, HIDDEN, 3, True), conv_double, conv_gates("hidden_dim"),
        "i, f, o, g; x first; self.bias is a bool", size="hidden_dim", polarity={"forget": KEEPS},
    ),
    found(
        "snntorch", "1.0.0", "snntorch._neurons.sconv2dlstm.SConv2dLSTM",
        made("snntorch", "SConv2dLSTM", INPUT, HIDDEN, 3), spiking_image, conv_gates("out_channels"),
        "i, f, o, g; x first; m(x, syn, mem) -> (spk, syn, mem); the membrane is reset by subtraction after the step",
        size="out_channels", polarity={"forget": KEEPS},
    ),
)


def sequence_double(module: nn.Module) -> Any:
    """`m(x, (h, c))` with batch first, one step, one layer."""
    return module(wave(BATCH, 1, INPUT), (wave(1, *H, phase=1.0), wave(1, *H, phase=2.0)))


def array_of_two(module: nn.Module) -> Any:
    """`m(x, (h, states))` with two memories."""
    return module(wave(BATCH, 1, INPUT), (wave(1, *H, phase=1.0), wave(2, *H, phase=2.0)))


FIOG = ("forget", "input", "output", "cell")
FIOG_TWICE = tuple(f"{gate}_{memory}" for memory in range(2) for gate in FIOG)
ARRAYS = (
    found(
        "array-lstm", "0.0.1", "arrayLSTM.lstm.LSTM", made("arrayLSTM", "LSTM", INPUT, HIDDEN), sequence_double,
        linear("i2h", FIOG, "input", "ih") + linear("h2h", FIOG, "recurrent", "hh"), "f, i, o, g on axis 0", **FORGET_KEEPS,
    ),
    found(
        "array-lstm", "0.0.1", "arrayLSTM.arraylstm.ArrayLSTM", made("arrayLSTM", "ArrayLSTM", INPUT, HIDDEN, 2), array_of_two,
        linear("i2h", FIOG_TWICE, "input", "ih") + linear("h2h", FIOG_TWICE, "recurrent", "hh"),
        "subclass of the LSTM above with k memories: k groups of f, i, o, g; here k = 2; h is the sum over memories",
        size="hidden_size", polarity={"forget_0": KEEPS, "forget_1": KEEPS},
    ),
)


def two_cells(module: nn.Module) -> Any:
    """`m(x, h, (upper, lower))`."""
    return module(wave(*X), wave(*H, phase=1.0), (wave(*H, phase=2.0), wave(*H, phase=3.0)))


def transposed_gate(letters: str, gate: str) -> list[Part]:
    """One (H + I, H) matrix, h first, used as `[h, x] @ W`, and its bias."""
    columns: tuple[Any, ...] = (("recurrent", "hidden_size"), ("input", None))
    weight = Part(f"W_{letters}", f"W_{letters}", None, (gate,), axis=1, transposed=True, columns=columns)
    return [weight, bias(f"b_{letters}", f"b_{letters}", (gate,), "only")]


CEREBRAL = found(
    "cerebral-lstm", "1.1.1", "cerebral_lstm.CerebralLSTMCell", made("cerebral_lstm", "CerebralLSTMCell", INPUT, HIDDEN), two_cells,
    [
        part
        for side, letter in (("upper", "u"), ("lower", "l"))
        for gate, initial in (("forget", "f"), ("input", "i"), ("cell", "c"), ("output", "o"))
        for part in transposed_gate(letter + initial, f"{side}_{gate}")
    ],
    "eight separate matrices (H + I, H), h first, x @ W; two memories", size="hidden_size",
    polarity={"upper_forget": KEEPS, "lower_forget": KEEPS},
)


def row_bias(name: str, gate: str) -> Part:
    """A bias of shape (1, H)."""
    return bias(name, name, (gate,), "only", axis=1)


def delayed(module: nn.Module) -> Any:
    """`m(x, h, h of some steps before)`."""
    return module(wave(*X), wave(*H, phase=1.0), wave(*H, phase=2.0))


def separate_double(module: nn.Module) -> Any:
    """`m(x, h, c)`."""
    return module(wave(*X), wave(*H, phase=1.0), wave(*H, phase=2.0))


def four_states(module: nn.Module) -> Any:
    """`m(x, (h, c, n, m))` with a positive normaliser."""
    state = tuple(wave(*H, phase=phase) for phase in (1.0, 2.0, 3.0, 4.0))
    return module(wave(*X), (state[0], state[1], state[2].abs() + 1, state[3]))


def gated_sequence(width: int) -> Callable[[nn.Module], Any]:
    """`m(x, positive h, return_next_prev_hidden=True)` on one step."""
    return lambda module: module(wave(BATCH, 1, width), wave(BATCH, 1, HIDDEN, phase=1.0).abs(), True)


def one_child(module: nn.Module) -> Any:
    """A tree of a leaf (node 0) and a root (node 1): the root's step, with the leaf's h and c as its state."""
    return module(wave(2, INPUT), torch.tensor([0, 1]), torch.tensor([[1, 0]]), torch.tensor([1]))


def nested_state(module: nn.Module) -> Any:
    """`m(x, [[(h, c)]])`: a pair per layer and direction, time first."""
    return module(wave(1, *X), [[(wave(*H, phase=1.0), wave(*H, phase=2.0))]])


IOU = ("input", "output", "cell")
SIDES: tuple[tuple[str, Kind], ...] = (("W", "input"), ("R", "recurrent"))
_L0 = r"_l(?P<layer>\d+)(?P<reverse>_reverse)?"
SUB = [
    Part("weight_ih", "weight_ih" + _L0, "input", LSTM), Part("weight_hh", "weight_hh" + _L0, "recurrent", LSTM),
    bias("bias_ih", "bias_ih" + _L0, LSTM, "ih", "bias_l{layer}{reverse}"),
    bias("bias_hh", "bias_hh" + _L0, LSTM, "hh", "bias_l{layer}{reverse}"),
]
SMALL = (
    found(
        "ncps", "1.0.1", "ncps.torch.lstm.LSTMCell", made("ncps.torch.lstm", "LSTMCell", INPUT, HIDDEN), double,
        linear("input_map", ("cell", "input", "forget", "output"), "input", "only")
        + linear("recurrent_map", ("cell", "input", "forget", "output"), "recurrent"),
        "g, i, f, o; + 1.0 on f in forward; one bias", constant={"forget": 1.0}, **FORGET_KEEPS,
    ),
    found(
        "ncps", "1.0.1", "ncps.torch.cfc_cell.CfCCell",
        made("ncps.torch", "CfCCell", INPUT, HIDDEN, backbone_layers=0),
        lambda module: module(wave(*X), wave(*H, phase=1.0), 1.0),
        concat("ff1", ("start",)) + concat("ff2", ("end",)) + concat("time_a", ("rate",)) + concat("time_b", ("shift",)),
        "x first; ff1 (1 - s) + s ff2 with s = sigmoid(time_a * ts + time_b): no gate on the old state; with a backbone "
        "(the default, 128 units) the concat is backbone.0 and these four see its output", size="hidden_size",
    ),
    found(
        "minGRU-pytorch", "0.2.1", "minGRU_pytorch.minGRU.minGRU", made("minGRU_pytorch", "minGRU", HIDDEN), gated_sequence(HIDDEN),
        linear("to_hidden_and_gate", ("new", "update"), "input"),
        "candidate first, no bias, no recurrent weight; update writes (lerp); the width is dim * expansion_factor",
        polarity={"update": WRITES},
    ),
    found(
        "minGRU-pytorch", "0.2.1", "minGRU_pytorch.minLSTM.minLSTM",
        made("minGRU_pytorch.minLSTM", "minLSTM", HIDDEN), gated_sequence(HIDDEN),
        linear("to_hidden_and_f_i_gate", ("new", "forget", "input"), "input"),
        "candidate first, no bias; factor f / (f + i): forget keeps, and input counts too", polarity={"forget": KEEPS},
    ),
    found(
        "mingru-scans", "0.2.0", "mingru.min_gru.MinGRU", made("mingru", "MinGRU", INPUT, HIDDEN),
        lambda module: module(wave(BATCH, 1, INPUT), wave(BATCH, 1, HIDDEN, phase=1.0).abs()),
        linear("linear_z", ("update",), "input", "only") + linear("linear_h", ("new",), "input", "only"),
        "a Linear per gate, no recurrent weight; update writes; h must not be negative",
        size="hidden_size", polarity={"update": WRITES},
    ),
    found(
        "comfi-fast-grnn-torch", "0.0.3", "comfi_fast_grnn_torch.ComfiFastGRNN.ComfiFastGRNNCell",
        made("comfi_fast_grnn_torch.ComfiFastGRNN", "ComfiFastGRNNCell", INPUT, HIDDEN), single,
        [
            Part("w_matrix", r"w_matrix", "input", transposed=True), Part("u_matrix", r"u_matrix", "recurrent", transposed=True),
            row_bias("bias_gate", "update"), row_bias("bias_update", "new"),
        ],
        "one (I, H), one (H, H) for both blocks, x @ W; biases (1, H); bias_update is the candidate's, bias_gate the gate's; "
        "gate keeps, then gamma h + (1 - gamma) lambda", size="hidden_size", polarity={"update": KEEPS},
    ),
    found(
        "mgru", "0.1.0", "mgru.models.mgru_cell.MGRUCell", made("mgru.models.mgru_cell", "MGRUCell", INPUT, HIDDEN, use_smith=False),
        delayed, concat("Wr", ("reset",)) + concat("Wz", ("update",)) + concat("Wh", ("new",)),
        "x first; reset before the product; update writes; the result is then mixed with a predictor by gain.proj and mlp",
        size="hidden_size", polarity={"update": WRITES},
    ),
    found(
        "ur-lstm-torch", "0.0.2", "ur_lstm.ur_lstm.URLSTMCell", made("ur_lstm.ur_lstm", "URLSTMCell", INPUT, HIDDEN), double,
        linear("igates", ("forget", "refine", "cell", "output"), "input", "ih")
        + linear("hgates", ("forget", "refine", "cell", "output"), "recurrent", "hh")
        + [bias("forget_bias", r"forget_bias", ("forget",), "extra")],
        "f, refine, g, o; forget_bias is added to forget and subtracted from refine, so it may not be merged; retain factor "
        "2 r f + (1 - 2 r) f^2; returns (h, (h, c))", separate=("forget",), **FORGET_KEEPS,
    ),
    found(
        "pytorch-tree-lstm", "0.1.3", "treelstm.tree_lstm.TreeLSTM", made("treelstm", "TreeLSTM", INPUT, HIDDEN), one_child,
        linear("W_iou", IOU, "input", "only") + linear("U_iou", IOU, "recurrent")
        + linear("W_f", ("forget",), "input", "only") + linear("U_f", ("forget",), "recurrent"),
        "i, o, g fused, f alone; no bias on U_*; the state is that of the children", size="out_features", polarity={"forget": KEEPS},
    ),
    found(
        "pytorch-sublstm", "0.0.2", "subLSTM.nn.rnn.SubLSTM", made("subLSTM.nn", "SubLSTM", INPUT, HIDDEN), nested_state, SUB,
        "torch's names and order, other formulas: c = f c + (sigmoid(g) - i), h = sigmoid(c) - o; "
        "its SubLSTMCell cannot be built with this torch", **FORGET_KEEPS,
    ),
    found(
        "torchxlstm", "0.0.3", "torchxlstm.xlstm.sLSTMBlock", made("torchxlstm.xlstm", "sLSTMBlock", INPUT, HIDDEN, 1), four_states,
        [
            part
            for gate, initial in (("cell", "z"), ("input", "i"), ("forget", "f"), ("output", "o"))
            for side, kind in SIDES
            for part in (
                Part(f"{side}{initial}.weight", rf"{side}{initial}\.blocks\.(?P<layer>\d+)\.weight", kind, (gate,)),
                bias(f"{side}{initial}.bias", rf"{side}{initial}\.blocks\.(?P<layer>\d+)\.bias", (gate,), side, "bias_h{layer}"),
            )
        ],
        "each gate a list of blocks of rows, one per head (here one); exponential forget gate, stabilised, over a normaliser",
        size="head_size", polarity={"forget": KEEPS},
    ),
)


def built(module: str, name: str, shape: tuple[int, ...], **kwargs: Any) -> Callable[[], nn.Module]:
    """A Keras layer whose weights exist."""

    def build() -> nn.Module:
        layer: Any = made(module, name, **kwargs)()
        layer.build(shape)
        made_layer: nn.Module = layer
        return made_layer

    return build


def keras_cell(states: int, *image: int) -> Callable[[nn.Module], Any]:
    """`m(x, [h])` or `m(x, [h, c])`."""
    phases = (1.0, 2.0)[:states]
    return lambda module: module(wave(*X, *image), [wave(*H, *image, phase=phase) for phase in phases])


def keras_part(name: str, kind: Kind, order: Sequence[str], axis: int, **more: Any) -> Part:
    """A variable of a Keras cell: torch sees it as `_torch_params.<path>/<name>`, where the path may carry a counter."""
    pattern = rf"_torch_params\.(?:.*/)?{name}"
    if kind == "bias":
        return bias(more.pop("called", name), pattern, order, more.pop("partner", "only"), axis=axis, **more)
    return Part(name, pattern, kind, tuple(order), axis=axis, transposed=True, **more)


def keras_matrices(order: Sequence[str], axis: int = 1) -> list[Part]:
    """`kernel` and `recurrent_kernel`, both `x @ W`."""
    return [keras_part("kernel", "input", order, axis), keras_part("recurrent_kernel", "recurrent", order, axis)]


RNN = "keras.src.layers.rnn"
KERAS_BATCH = (BATCH, INPUT)
SEED = "; seed_generator_state is an integer Parameter of the module and no weight"
KERAS = (
    found(
        "keras", "3.15.1", f"{RNN}.lstm.LSTMCell", built("keras.layers", "LSTMCell", KERAS_BATCH, units=HIDDEN), keras_cell(2),
        [*keras_matrices(LSTM), keras_part("bias", "bias", LSTM, 0)],
        "i, f, c, o on axis 1, x @ W; one bias; returns (h, [h, c])" + SEED, size="units", polarity={"forget": KEEPS},
    ),
    found(
        "keras", "3.15.1", f"{RNN}.gru.GRUCell", built("keras.layers", "GRUCell", KERAS_BATCH, units=HIDDEN), keras_cell(1),
        [
            *keras_matrices(GRU),
            keras_part("bias", "bias", GRU, 1, called="bias_input", partner="input", fixed=((0, 0),)),
            keras_part("bias", "bias", GRU, 1, called="bias_recurrent", partner="recurrent", fixed=((0, 1),)),
        ],
        "z, r, h; reset after the product; both biases are rows of one (2, 3H) tensor; z keeps" + SEED,
        size="units", polarity={"update": KEEPS}, separate=("new",),
    ),
    found(
        "keras", "3.15.1", f"{RNN}.gru.GRUCell",
        built("keras.layers", "GRUCell", KERAS_BATCH, units=HIDDEN, reset_after=False), keras_cell(1),
        [*keras_matrices(GRU), keras_part("bias", "bias", GRU, 0)],
        "the same class with reset_after=False: reset before the product; one bias (3H,)" + SEED,
        size="units", polarity={"update": KEEPS},
    ),
    found(
        "keras", "3.15.1", f"{RNN}.simple_rnn.SimpleRNNCell",
        built("keras.layers", "SimpleRNNCell", KERAS_BATCH, units=HIDDEN), keras_cell(1),
        [*keras_matrices(ONE), keras_part("bias", "bias", ONE, 0)], "no gates, x @ W" + SEED, size="units",
    ),
    found(
        "keras", "3.15.1", f"{RNN}.conv_lstm.ConvLSTMCell",
        built(
            f"{RNN}.conv_lstm", "ConvLSTMCell", (BATCH, INPUT, 4, 4),
            rank=2, filters=HIDDEN, kernel_size=3, padding="same", data_format="channels_first",
        ),
        keras_cell(2, 4, 4), [*keras_matrices(LSTM, axis=3), keras_part("bias", "bias", LSTM, 0)],
        "kernel (k, k, in, 4H), gates on axis 3; i, f, c, o; hard or plain sigmoid by recurrent_activation" + SEED,
        size="filters", polarity={"forget": KEEPS},
    ),
)


def hydrology_gates() -> nn.Module:
    """The dynamic gates of an entity-aware LSTM, which read two settings only."""
    config = SimpleNamespace(hidden_size=HIDDEN, initial_forget_bias=None)
    instance: nn.Module = import_module("neuralhydrology.modelzoo.ealstm")._DynamicGates(config, INPUT)
    return instance


def mass_conserving() -> nn.Module:
    """A mass-conserving cell with two mass inputs and three others."""
    config = SimpleNamespace(initial_forget_bias=None)
    instance: nn.Module = import_module("neuralhydrology.modelzoo.mclstm")._MCLSTMCell(2, 3, HIDDEN, config)
    return instance


def mass_step(module: Any) -> Any:
    """`m._step(mass, others, c)`: the class offers no state in forward."""
    return module._step(wave(BATCH, 2).abs(), wave(BATCH, 3), wave(*H, phase=1.0).abs())


ZOO = "neuralhydrology.modelzoo"
FOG = ("forget", "output", "cell")
HYDROLOGY = (
    found(
        "neuralhydrology", "1.13.0", f"{ZOO}.customlstm._LSTMCell", made(f"{ZOO}.customlstm", "_LSTMCell", INPUT, HIDDEN),
        separate_double,
        [
            Part("w_ih", "w_ih", "input", LSTM), Part("w_hh", "w_hh", "recurrent", LSTM),
            bias("b_ih", "b_ih", LSTM, "ih"), bias("b_hh", "b_hh", LSTM, "hh"),
        ],
        "W @ x under other names; returns a dict of h_n, c_n and the gates", **FORGET_KEEPS,
    ),
    found(
        "neuralhydrology", "1.13.0", f"{ZOO}.ealstm._DynamicGates", hydrology_gates,
        lambda module: module(wave(*H, phase=1.0), wave(*X)),
        [
            Part("weight_ih", "weight_ih", "input", FOG, axis=1, transposed=True),
            Part("weight_hh", "weight_hh", "recurrent", FOG, axis=1, transposed=True), bias("bias", "bias", FOG, "only"),
        ],
        "torch's names over (I, 3H), (H, 3H): f, o, g, x @ W; m(h, x) returns the gates, EALSTM._cell uses them; "
        "no size attribute on the module; i comes from EALSTM.input_gate", polarity={"forget": KEEPS},
    ),
    found(
        "neuralhydrology", "1.13.0", f"{ZOO}.odelstm._ODERNNCell",
        made(f"{ZOO}.odelstm", "_ODERNNCell", HIDDEN, HIDDEN, 2, "euler"),
        lambda module: module(wave(*H), wave(*H, phase=1.0), 1.0),
        [
            Part("w_ih", "w_ih", "input", ONE, axis=1, transposed=True), Part("w_hh", "w_hh", "recurrent", ONE, axis=1, transposed=True),
            bias("bias", "bias", ONE, "only"), Part("scale", "scale"),
        ],
        "declared (H, I) yet used as x @ W: runs only where I = H; an Euler step, no gates", size="hidden_size",
    ),
    found(
        "neuralhydrology", "1.13.0", f"{ZOO}.mclstm._MCLSTMCell", mass_conserving,
        mass_step,
        concat("output_gate.fc", ("output",), hidden="_hidden_size")
        + concat("input_gate.fc", ("input",), hidden="_hidden_size")
        + concat("redistribution.fc", ("redistribution",), hidden="_hidden_size"),
        "mass and other inputs first, then c / |c|; (1 - o) stays: an open output gate loses the state; input_gate has "
        "mass * H rows and redistribution H * H; m._step(x_mass, x_other, c) -> (out, c)", polarity={"output": WRITES},
    ),
)


def full_precision() -> nn.Module:
    """A GRU cell whose quantizers are identities."""
    presets = import_module("gru_qat.quantizers").PRESETS
    return made("gru_qat.gru_cell", "GRUCellQuant", INPUT, HIDDEN, presets["fp32"])()


def step(module: Any) -> Any:
    """`m.step(h, x)`."""
    return module.step(wave(*H, phase=1.0), wave(*X))


def slots(count: int) -> Callable[[Any], Any]:
    """`m.step(states, x)` where the states of a unit are stacked on the axis before the last: [c, h] or [c, n, m, h], n positive."""
    return lambda module: module.step(wave(BATCH, count, HIDDEN, phase=1.0) + (2.0 if count > 2 else 0.0), wave(*X))


def vanilla() -> nn.Module:
    """The plain backend of the block-diagonal cell, with one head."""
    cell = import_module("xlstm.blocks.slstm.cell")
    instance: nn.Module = cell.sLSTMCell(cell.sLSTMCellConfig(hidden_size=HIDDEN, num_heads=1, backend="vanilla"))
    return instance


IFZO = ("input", "forget", "cell", "output")
PARA = "pararnn.cells"
OTHERS = (
    found(
        "gru-qat", "0.5.0", "gru_qat.gru_cell.GRUCellQuant", full_precision, single,
        [
            part
            for gate, letter in (("reset", "r"), ("update", "z"), ("new", "n"))
            for part in (
                Part(f"W_i{letter}", f"W_i{letter}", "input", (gate,)), Part(f"W_h{letter}", f"W_h{letter}", "recurrent", (gate,)),
                bias(f"b_i{letter}", f"b_i{letter}", (gate,), "ih"), bias(f"b_h{letter}", f"b_h{letter}", (gate,), "hh"),
            )
        ],
        "a Parameter per gate; torch's GRU: reset after the product, update keeps",
        size="hidden_size", polarity={"update": KEEPS}, separate=("new",),
    ),
    found(
        "pararnn-torch", "0.17.4", f"{PARA}.para_gru.ParaGRU", made("pararnn", "ParaGRU", INPUT, HIDDEN), step,
        linear("W_x", GRU, "input", "only")
        + [Part(f"a_{letter}", f"a_{letter}", "recurrent", (gate,)) for letter, gate in zip("zrn", GRU, strict=True)],
        "z, r, n; three diagonal vectors, clamped to 0.5 in forward; reset before the product; update writes (lerp); no forward, "
        "only step(h, x)", size="hidden_size", polarity={"update": WRITES},
    ),
    found(
        "pararnn-torch", "0.17.4", f"{PARA}.para_lstm.ParaLSTM", made("pararnn", "ParaLSTM", INPUT, HIDDEN), slots(2),
        linear("W_x", ("forget", "cell", "output"), "input", "only")
        + [Part(f"a_{letter}", f"a_{letter}", "recurrent", (gate,)) for letter, gate in (("f", "forget"), ("z", "cell"), ("o", "output"))]
        + [Part(f"c_{letter}", f"c_{letter}", "peephole", (gate,)) for letter, gate in (("f", "forget"), ("o", "output"))],
        "f, z, o; coupled 1 - f; diagonal vectors and peepholes, clamped to 0.5; state (..., [c, h], H)", **FORGET_KEEPS,
    ),
    found(
        "pararnn-torch", "0.17.4", f"{PARA}.para_slstm.ParaSLSTM", made("pararnn", "ParaSLSTM", INPUT, HIDDEN), slots(4),
        linear("W_x", IFZO, "input", "only")
        + [Part(f"R_{gate}", "R", "recurrent", (gate,), axis=1, fixed=((0, row),)) for row, gate in enumerate(IFZO)],
        "i, f, z, o; R (4, H): a diagonal row per gate, clamped to 0.5; exponential gates over a normaliser; state (..., [c, n, m, h], H)",
        **FORGET_KEEPS,
    ),
    found(
        "xlstm", "2.0.6", "xlstm.blocks.slstm.cell.sLSTMCell_vanilla", vanilla,
        lambda module: module(wave(BATCH, 1, 4 * HIDDEN), wave(4, *H, phase=1.0).abs() + 0.5),
        [Part("recurrent", "_recurrent_kernel_", "recurrent", IFZO, axis=1), bias("bias", "_bias_", IFZO, "only")],
        "no input weight: x is the 4H pre-activation (i, f, z, o); kernel (heads, 4 * head, head), W @ x; bias (4 * heads * head,) gate "
        "slowest; f is logsigmoid, i is exp; state [h, c, n, m]", polarity={"forget": KEEPS},
    ),
)


def clipped_sequence(module: nn.Module) -> Any:
    """`m(x, lengths, (h, c))` with batch first, c wider than h."""
    return module(wave(BATCH, 1, INPUT), [1, 1], (wave(1, *H, phase=1.0), wave(1, BATCH, CELL, phase=2.0)))


CELL = 11
HIGHWAY = (*LSTM, "highway")
ALLENNLP = (
    found(
        "allennlp-light", "1.0.0", "allennlp_light.modules.augmented_lstm.AugmentedLSTMCell",
        made("allennlp_light.modules.augmented_lstm", "AugmentedLSTMCell", INPUT, HIDDEN), double,
        linear("input_linearity", (*HIGHWAY, "highway_value"), "input", "ih") + linear("state_linearity", HIGHWAY, "recurrent", "hh"),
        "i, f, g, o, highway; a sixth block from the input only", size="lstm_dim", polarity={"forget": KEEPS},
    ),
    found(
        "allennlp-light", "1.0.0", "allennlp_light.modules.augmented_lstm.AugmentedLSTMCell",
        made("allennlp_light.modules.augmented_lstm", "AugmentedLSTMCell", INPUT, HIDDEN, use_highway=False), double,
        linear("input_linearity", LSTM, "input", "ih") + linear("state_linearity", LSTM, "recurrent", "hh"),
        "the same class with use_highway=False", size="lstm_dim", polarity={"forget": KEEPS},
    ),
    found(
        "allennlp-light", "1.0.0", "allennlp_light.modules.lstm_cell_with_projection.LstmCellWithProjection",
        made("allennlp_light.modules.lstm_cell_with_projection", "LstmCellWithProjection", INPUT, HIDDEN, CELL), clipped_sequence,
        linear("input_linearity", LSTM, "input") + linear("state_linearity", LSTM, "recurrent", "only")
        + linear("state_projection", (), "projection"),
        "one gate is cell_size (11) wide, h is hidden_size (7); bias on the recurrent Linear only",
        size="cell_size", polarity={"forget": KEEPS},
    ),
)


def batch_first_single(module: nn.Module) -> Any:
    """`m(x, h)` with batch first and one step, h without an axis for layers."""
    return module(wave(BATCH, 1, INPUT), wave(*H, phase=1.0))


SPEECH = "speechbrain.nnet.RNN"
SPEECHBRAIN = (
    *(
        found(
            "speechbrain", "1.1.2", f"{SPEECH}.{name}", made(SPEECH, name, INPUT, HIDDEN, 1, BATCH, **norm), batch_first_single,
            linear("w", ("new", "update"), "input") + linear("u", ("new", "update"), "recurrent")
            + [bias("norm.bias", r"norm\.bias", ("new", "update"), "only")],
            note, size="hidden_size", polarity={"update": KEEPS},
        )
        for name, norm, note in (
            ("LiGRU_Layer", {"normalization": "layernorm"}, "candidate first; no bias on the Linears, the norm's beta (2H) on w x is one; update keeps"),
            ("SLiGRU_Layer", {"ff_normalization": "layernorm"}, "as LiGRU_Layer, with a second norm, without parameters, on u h"),
        )
    ),
    found(
        "speechbrain", "1.1.2", f"{SPEECH}.QuasiRNNLayer", made(SPEECH, "QuasiRNNLayer", INPUT, HIDDEN, False), batch_first_single,
        linear("w", ("new", "forget", "output"), "input", "only"),
        "z, f, o from the input only; f * z + (1 - f) * c: the forget gate writes", size="hidden_size", polarity={"forget": WRITES},
    ),
)


def three_states(module: nn.Module) -> Any:
    """`m(x, h, c, n)`."""
    return module(wave(*X), *(wave(*H, phase=phase) for phase in (1.0, 2.0, 3.0)))


FORECAST = "pytorch_forecasting.layers._recurrent"
FORECASTING = (
    found(
        "pytorch-forecasting", "1.8.0", f"{FORECAST}._slstm.cell.sLSTMCell",
        made(f"{FORECAST}._slstm.cell", "sLSTMCell", INPUT, HIDDEN, use_layer_norm=False), separate_double,
        linear("input_weights", LSTM, "input", "ih") + linear("hidden_weights", LSTM, "recurrent", "hh"),
        "i, f, g, o; i and f are softmaxes over the units, then i / (i + f), f / (i + f): a forget bias equal in all units does "
        "nothing; forget keeps, unit by unit", **FORGET_KEEPS,
    ),
    found(
        "pytorch-forecasting", "1.8.0", f"{FORECAST}._mlstm.cell.mLSTMCell",
        made(f"{FORECAST}._mlstm.cell", "mLSTMCell", INPUT, HIDDEN, dropout=0.0, layer_norm=False), three_states,
        [
            part
            for gate, letter in (("query", "q"), ("key", "k"), ("value", "v"), ("input", "i"), ("forget", "f"), ("output", "o"))
            for part in linear(f"W{letter}", (gate,), "input", "only")
        ],
        "a Linear per gate, from the input only; h is never read; sigmoid forget keeps c and n", **FORGET_KEEPS,
    ),
)


EDGES = ((0, 1), (1, 0))


def on_graph(states: int) -> Callable[[nn.Module], Any]:
    """`m(x, edges, weights, h[, c])` on two nodes joined both ways."""
    phases = (1.0, 2.0)[:states]
    return lambda module: module(wave(*X), torch.tensor(EDGES), torch.ones(2), *(wave(*H, phase=phase) for phase in phases))


def chebyshev(name: str, gate: str, kind: Kind, partner: str) -> list[Part]:
    """A Chebyshev convolution: one Linear per power of the Laplacian and one bias."""
    return [
        Part(f"{name}.weight", rf"{name}\.lins\.(?P<layer>\d+)\.weight", kind, (gate,)),
        bias(f"{name}.bias", rf"{name}\.bias", (gate,), partner),
    ]


def row(name: str, gate: str) -> Part:
    """A bias of shape (1, H), one partner of several."""
    return bias(name, name, (gate,), "own", axis=1)


LETTERS = (("input", "i"), ("forget", "f"), ("cell", "c"), ("output", "o"))
GRAPH = "torch_geometric_temporal.nn.recurrent"
KEEPING_GRU: dict[str, Any] = {"size": "out_channels", "polarity": {"update": KEEPS}}
GRAPHS = (
    found(
        "torch-geometric-temporal", "0.56.2", f"{GRAPH}.gconv_lstm.GConvLSTM",
        made(f"{GRAPH}.gconv_lstm", "GConvLSTM", INPUT, HIDDEN, 2), on_graph(2),
        [
            part
            for gate, letter in LETTERS
            for part in (
                *chebyshev(f"conv_x_{letter}", gate, "input", "x"), *chebyshev(f"conv_h_{letter}", gate, "recurrent", "h"),
                row(f"b_{letter}", gate),
                *([Part(f"w_c_{letter}", f"w_c_{letter}", "peephole", (gate,), axis=1)] if letter != "c" else []),
            )
        ],
        "three biases per gate, one of shape (1, H); peepholes (1, H); lins.K are the powers of the Laplacian; o sees the new c",
        size="out_channels", polarity={"forget": KEEPS},
    ),
    found(
        "torch-geometric-temporal", "0.56.2", f"{GRAPH}.gc_lstm.GCLSTM",
        made(f"{GRAPH}.gc_lstm", "GCLSTM", INPUT, HIDDEN, 2), on_graph(2),
        [
            part
            for gate, letter in LETTERS
            for part in (
                Part(f"W_{letter}", f"W_{letter}", "input", (gate,), axis=1, transposed=True),
                *chebyshev(f"conv_{letter}", gate, "recurrent", "h"), row(f"b_{letter}", gate),
            )
        ],
        "W_* (I, H) x @ W beside lins.K.weight (H, H) W @ x; two biases per gate, one (1, H)",
        size="out_channels", polarity={"forget": KEEPS},
    ),
    found(
        "torch-geometric-temporal", "0.56.2", f"{GRAPH}.gconv_gru.GConvGRU",
        made(f"{GRAPH}.gconv_gru", "GConvGRU", INPUT, HIDDEN, 2), on_graph(1),
        [
            part
            for gate, letter in (("update", "z"), ("reset", "r"), ("new", "h"))
            for part in (*chebyshev(f"conv_x_{letter}", gate, "input", "x"), *chebyshev(f"conv_h_{letter}", gate, "recurrent", "h"))
        ],
        "reset before the product; update keeps; biases of new simply add", **KEEPING_GRU,
    ),
    found(
        "torch-geometric-temporal", "0.56.2", f"{GRAPH}.temporalgcn.TGCN",
        made(f"{GRAPH}.temporalgcn", "TGCN", INPUT, HIDDEN), on_graph(1),
        [
            part
            for gate, letter in (("update", "z"), ("reset", "r"), ("new", "h"))
            for part in concat(f"linear_{letter}", (gate,), hidden="out_channels")
        ],
        "each gate: conv_*.lin (H, I) on x, then a Linear on (that, h): the first H columns see the convolution; update keeps; "
        "reset before the product", **KEEPING_GRU,
    ),
    found(
        "torch-geometric-temporal", "0.56.2", f"{GRAPH}.dcrnn.DCRNN", made(f"{GRAPH}.dcrnn", "DCRNN", INPUT, HIDDEN, 2), on_graph(1),
        [
            part
            for gate, letter in (("update", "z"), ("reset", "r"), ("new", "h"))
            for part in (
                Part(f"conv_x_{letter}.weight", rf"conv_x_{letter}\.weight", None, (gate,), axis=3, transposed=True),
                bias(f"conv_x_{letter}.bias", rf"conv_x_{letter}\.bias", (gate,), "only"),
            )
        ],
        "weight (2, K, I + H, H), x @ W on (x, h), x first on axis 2 (columns not given: there is more than one other axis); "
        "update keeps; reset before the product", **KEEPING_GRU,
    ),
)


def gated_linear() -> nn.Module:
    """A real-gated linear recurrence of one head, with drawn weights (the class leaves them uninitialised)."""
    module = "transformers.models.recurrent_gemma.modeling_recurrent_gemma"
    config = SimpleNamespace(num_attention_heads=1, lru_width=HIDDEN)
    instance = made(module, "RecurrentGemmaRglru", config)()
    for index, parameter in enumerate(instance.parameters()):
        parameter.data = wave(*parameter.shape, phase=float(index))
    return instance


def remembered(module: Any) -> Any:
    """`m(x, positions)`, the old state being an attribute."""
    module.recurrent_states = wave(*H, phase=1.0)
    return module(wave(BATCH, 1, HIDDEN), torch.ones(BATCH, 1, dtype=torch.long)), module.recurrent_states


GATED_LINEAR = found(
    "transformers", "5.23.0", "transformers.models.recurrent_gemma.modeling_recurrent_gemma.RecurrentGemmaRglru",
    gated_linear, remembered,
    [
        Part("input_gate_weight", "input_gate_weight", "input", ("input",), axis=2, transposed=True),
        Part("recurrent_gate_weight", "recurrent_gate_weight", "input", ("recurrence",), axis=2, transposed=True),
        bias("input_gate_bias", "input_gate_bias", ("input",), "only", axis=1),
        bias("recurrent_gate_bias", "recurrent_gate_bias", ("recurrence",), "only", axis=1),
        Part("recurrent_param", "recurrent_param"),
    ],
    "(heads, width, width), x @ W per head; both gates see the input, never the state, whatever the name says; factor "
    "exp(-8 sigmoid(r) softplus(recurrent_param)): open loses the state, but the logit alone does not say how much",
    size="block_width", polarity={"recurrence": WRITES},
)


def sequence(*width: int) -> Callable[[nn.Module], Any]:
    """`m(x)` where the class offers no state."""
    return lambda module: module(wave(*width))


def keras_layer(states: int) -> Callable[[nn.Module], Any]:
    """`m(x, initial_state=[...])` with batch first."""
    phases = (1.0, 2.0)[:states]
    return lambda module: module(wave(BATCH, 1, INPUT), initial_state=[wave(*H, phase=phase) for phase in phases])


def holder(package: str, version: str, module: str, build: Callable[[], nn.Module], call: Callable[[nn.Module], Any], note: str) -> Found:
    """A class whose gates are those of a child with a layout of its own."""
    return found(package, version, module, build, call, [], note)


def recurrent_policy() -> nn.Module:
    """A policy with a recurrent actor and a recurrent critic on five observations."""
    spaces = import_module("gymnasium.spaces")
    observed, actions = spaces.Box(-1.0, 1.0, (INPUT,)), spaces.Discrete(3)
    policy = import_module("sb3_contrib.common.recurrent.policies").RecurrentActorCriticPolicy
    instance: nn.Module = policy(observed, actions, lambda _: 1e-3, lstm_hidden_size=HIDDEN)
    return instance


def acting(module: nn.Module) -> Any:
    """`m(obs, RNNStates(pi=(h, c), vf=(h, c)), episode_starts)`."""
    states = import_module("sb3_contrib.common.recurrent.type_aliases").RNNStates
    pair = (wave(1, *H, phase=1.0), wave(1, *H, phase=2.0))
    return module(wave(*X), states(pi=pair, vf=pair), torch.zeros(BATCH))


HOLDERS = (
    holder(
        "sb3-contrib", "2.9.2", "sb3_contrib.common.recurrent.policies.RecurrentActorCriticPolicy", recurrent_policy, acting,
        "lstm_actor and lstm_critic are nn.LSTM; the orthogonal initialisation of the base policy never reaches them",
    ),
    holder(
        "torchrecurrent", "0.2.5", "torchrecurrent.cells.mgu_cell.MGU", made("torchrecurrent", "MGU", INPUT, HIDDEN, num_layers=2),
        lambda module: module(wave(1, *X), wave(2, *H, phase=1.0)), "cells.N are MGUCell; every layer class of the package is so",
    ),
    holder(
        "ur-lstm-torch", "0.0.2", "ur_lstm.ur_lstm.URLSTM", made("ur_lstm.ur_lstm", "URLSTM", INPUT, HIDDEN), layered_double,
        "layers.N are URLSTMCell",
    ),
    holder(
        "keras", "3.15.1", f"{RNN}.lstm.LSTM", built("keras.layers", "LSTM", (BATCH, 1, INPUT), units=HIDDEN), keras_layer(2),
        "cell is LSTMCell; parameters cell._torch_params.<path>/kernel ...",
    ),
    holder(
        "keras", "3.15.1", f"{RNN}.gru.GRU", built("keras.layers", "GRU", (BATCH, 1, INPUT), units=HIDDEN), keras_layer(1),
        "cell is GRUCell",
    ),
    holder(
        "snntorch", "1.0.0", "snntorch._neurons.slstm.SLSTM", made("snntorch", "SLSTM", INPUT, HIDDEN),
        lambda module: module(wave(*X), wave(*H, phase=2.0), wave(*H, phase=1.0)), "lstm_cell is nn.LSTMCell, fed (mem, syn)",
    ),
    holder(
        "encodec", "0.1.1", "encodec.modules.lstm.SLSTM", made("encodec.modules.lstm", "SLSTM", HIDDEN), sequence(BATCH, HIDDEN, 3),
        "lstm is nn.LSTM; no state in the call",
    ),
    holder(
        "x-transformers", "2.31.10", "x_transformers.x_transformers.GRUGating",
        made("x_transformers.x_transformers", "GRUGating", HIDDEN),
        lambda module: module(wave(BATCH, 1, HIDDEN), wave(BATCH, 1, HIDDEN, phase=1.0)), "gru is nn.GRUCell over depth, not time",
    ),
    holder(
        "transformers", "5.23.0", "transformers.models.slanet.modeling_slanet.SLANetAttentionGRUCell",
        made("transformers.models.slanet.modeling_slanet", "SLANetAttentionGRUCell", INPUT, HIDDEN, 3),
        lambda module: module(wave(*H, phase=1.0), wave(BATCH, 4, INPUT), wave(BATCH, 3)), "rnn is nn.GRUCell on (context, one-hot)",
    ),
    holder(
        "pytorch-forecasting", "1.8.0", "pytorch_forecasting.models.nn.rnn.LSTM",
        made("pytorch_forecasting.models.nn.rnn", "LSTM", INPUT, HIDDEN), layered_double, "a subclass of nn.LSTM: torch's own layout",
    ),
    holder(
        "pytorch-forecasting", "1.8.0", "pytorch_forecasting.models.nn.rnn.GRU",
        made("pytorch_forecasting.models.nn.rnn", "GRU", INPUT, HIDDEN),
        lambda module: module(wave(1, *X), wave(1, *H, phase=1.0)), "a subclass of nn.GRU: torch's own layout",
    ),
)

INVENTORY: tuple[Found, ...] = (
    *TORCHRECURRENT, *TORCHRL, *QUANTIZABLE, *CONVOLUTIONS, *ARRAYS, CEREBRAL, *SMALL, *KERAS, *HYDROLOGY, *OTHERS, *ALLENNLP,
    *SPEECHBRAIN, *FORECASTING, *GRAPHS, GATED_LINEAR, *HOLDERS,
)

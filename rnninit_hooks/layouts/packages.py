"""Layouts of recurrent classes in other packages: read in their sources, and proved by probing in `tests/layouts/real`.

Versions read: ncps 1.0.1, minGRU-pytorch 0.2.1, keras 3.15.1, torchrecurrent 0.2.5, allennlp-light 1.0.0, conv-lstm 0.1.2,
gru-qat 0.5.0, neuralhydrology 1.13.0; torch's quantizable LSTM as in 2.13. No package is imported here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rnninit_hooks.layouts.model import Kind, Layout, Part

_LONG = {"i": "input", "f": "forget", "g": "cell", "o": "output", "r": "reset", "z": "update", "n": "new", "h": "hidden",
         "y": "highway", "v": "highway_value"}  # fmt: skip
_LSTM, _GRU = "ifgo", "rzn"
_KERAS = r"_torch_params\.(?:.*/)?"


def _gates(letters: str) -> tuple[str, ...]:
    return tuple(_LONG[letter] for letter in letters)


def _short(letters: str) -> dict[str, str]:
    return {letter: _LONG[letter] for letter in letters}


def _part(name: str, kind: Kind | None, letters: str, pattern: str | None = None, **facts: Any) -> Part:
    return Part(name, pattern or name.replace(".", r"\."), kind=kind, order=_gates(letters), **facts)


def _pair(
    weights: tuple[str, str], biases: tuple[str, str], letters: str, *, ends: tuple[str, str] = ("", "")
) -> tuple[Part, ...]:
    """Weights and biases of input and state, each under its own name."""
    (w_x, w_h), (b_x, b_h) = weights, biases
    return (
        _part(w_x + ends[0], "input", letters), _part(w_h + ends[0], "recurrent", letters),
        _part(b_x + ends[1], "bias", letters, partner="ih", effective="bias"),
        _part(b_h + ends[1], "bias", letters, partner="hh", effective="bias"),
    )  # fmt: skip


def _recurrent_cells() -> Iterator[Layout]:
    """torchrecurrent: torch's names; class, blocks of the input, blocks of the state, biases of each, who retains."""
    table = (
        ("cfn_cell.CFNCell", "fin", "fi", "fin", "fi", "f", 1), ("janet_cell.JANETCell", "fg", "fg", "fg", "fg", "f", 1),
        ("lightru_cell.LightRUCell", "nf", "f", "nf", "f", "f", -1), ("ligru_cell.LiGRUCell", "zn", "zn", "zn", "zn", "z", 1),
        ("mgu_cell.MGUCell", "fn", "fn", "fn", "fn", "f", -1), ("mut_cell.MUT2Cell", "zrn", "zrn", "zrn", "zrn", "z", -1),
        ("peepholelstm_cell.PeepholeLSTMCell", _LSTM, _LSTM, _LSTM, _LSTM, "f", 1),
        ("ran_cell.RANCell", "gif", "if", "if", "if", "f", 1), ("star_cell.STARCell", "ni", "i", "ni", "i", "i", -1),
        ("trnn_cell.TRNNCell", "nf", "", "nf", "", "f", 1), ("ugrnn_cell.UGRNNCell", "nz", "nz", "nz", "nz", "z", 1),
    )  # fmt: skip
    for name, w_x, w_h, b_x, b_h, retain, polarity in table:
        parts = [_part("weight_ih", "input", w_x)]
        parts += [_part("weight_hh", "recurrent", w_h)] if w_h else []
        sums = {"effective": "bias"} if b_h else {}
        parts += [_part("bias_ih", "bias", b_x, partner="ih" if b_h else None, **sums)]
        parts += [_part("bias_hh", "bias", b_h, partner="hh", **sums)] if b_h else []
        parts += [_part("weight_ph", "peephole", "ifo")] if "Peephole" in name else []
        parts += [Part("beta", "beta")] if "JANET" in name else []
        yield Layout(
            f"torchrecurrent.{name.partition('.')[2]}", (f"torchrecurrent.cells.{name}",), tuple(parts), short=_short(w_x),
            polarity={_LONG[retain]: polarity}, size="hidden_size", required=("weight_ih",),
        )  # fmt: skip
    own = (
        _part("weight_ih", "input", "h"), _part("vector_u", "recurrent", "h"),
        _part("bias_ih", "bias", "h", partner="ih", effective="bias"),
        _part("bias_hh", "bias", "h", partner="hh", effective="bias"),
    )  # fmt: skip
    cls = "torchrecurrent.cells.indrnn_cell.IndRNNCell"
    yield Layout("torchrecurrent.IndRNNCell", (cls,), own, short=_short("h"), size="hidden_size", required=("weight_ih",))


def _keras() -> Iterator[Layout]:
    """Keras on torch: x @ W, and names with a counter in them; with reset_after both biases are rows of one tensor."""

    def kernels(letters: str) -> tuple[Part, ...]:
        turned = {"axis": 1, "transposed": True}
        names: tuple[tuple[str, Kind], ...] = (("kernel", "input"), ("recurrent_kernel", "recurrent"))
        return tuple(_part(name, kind, letters, _KERAS + name, **turned) for name, kind in names)

    def bias(letters: str) -> Part:
        return _part("bias", "bias", letters, f"{_KERAS}bias")

    rows = tuple(
        _part(f"bias_{word}", "bias", "zrn", f"{_KERAS}bias", axis=1, partner=partner, effective="bias", fixed=((0, row),))
        for row, (word, partner) in enumerate((("input", "ih"), ("recurrent", "hh")))
    )
    home = "keras.src.layers.rnn."
    needs: dict[str, Any] = {"size": "units", "required": ("kernel", "recurrent_kernel")}
    lstm: dict[str, Any] = {"short": _short(_LSTM), "polarity": {"forget": 1}, **needs}
    yield Layout("keras.LSTMCell", (f"{home}lstm.LSTMCell",), (*kernels(_LSTM), bias(_LSTM)), **lstm)
    gru: dict[str, Any] = {"short": _short(_GRU), "polarity": {"update": 1}, **needs}
    cell = (f"{home}gru.GRUCell",)
    yield Layout(
        "keras.GRUCell", cell, (*kernels("zrn"), *rows), separate=("new",), when=(("reset_after", True),), **gru
    )
    yield Layout(
        "keras.GRUCell.reset_before", cell, (*kernels("zrn"), bias("zrn")), when=(("reset_after", False),), **gru
    )
    simple = (*kernels("h"), bias("h"))
    yield Layout("keras.SimpleRNNCell", (f"{home}simple_rnn.SimpleRNNCell",), simple, short=_short("h"), **needs)


def _lstms() -> Iterator[Layout]:
    """LSTMs under other names."""
    facts: dict[str, Any] = {"short": _short(_LSTM), "polarity": {"forget": 1}}
    ncps = (
        _part("input_map.weight", "input", "gifo"), _part("input_map.bias", "bias", "gifo"),
        _part("recurrent_map.weight", "recurrent", "gifo"),
    )  # fmt: skip
    yield Layout("ncps.LSTMCell", ("ncps.torch.lstm.LSTMCell",), ncps, constant={"forget": 1.0}, size="hidden_size", **facts)
    fused = _pair(("igates", "hgates"), ("igates", "hgates"), _LSTM, ends=(".weight", ".bias"))
    homes = [(f"igates.{_LONG[g]}", f"hgates.{_LONG[g]}") for g in _LSTM]
    split = [part for g, home in zip(_LSTM, homes, strict=True) for part in _pair(home, home, g, ends=(".weight", ".bias"))]
    cls = "torch.ao.nn.quantizable.modules.rnn.LSTMCell"  # with split_gates one Linear for each gate
    yield Layout("torch.ao.LSTMCell", (cls,), (*fused, *split), size="hidden_size", **facts)
    names = ("input_linearity", "state_linearity")
    allennlp = _pair(names, names, _LSTM, ends=(".weight", ".bias"))
    cells = ("allennlp_light.modules.augmented_lstm.AugmentedLSTMCell",)
    yield Layout("allennlp.AugmentedLSTMCell", cells, allennlp, size="lstm_dim", when=(("use_highway", False),), **facts)
    wide, narrow = (_pair(names, names, letters, ends=(".weight", ".bias")) for letters in (f"{_LSTM}yv", f"{_LSTM}y"))
    highway = (wide[0], narrow[1], wide[2], narrow[3])  # the last block, of the input alone, is what the highway lets through
    yield Layout("allennlp.AugmentedLSTMCell.highway", cells, highway, size="lstm_dim", when=(("use_highway", True),), **facts)
    conv = (
        _part("conv.weight", None, "ifog", columns=(("input", None), ("recurrent", "hidden_dim"))),
        _part("conv.bias", "bias", "ifog"),
    )
    yield Layout("conv_lstm.ConvLSTMCell", ("conv_lstm.conv_lstm.ConvLSTMCell",), conv, size="hidden_dim", **facts)
    hydro = _pair(("w_ih", "w_hh"), ("b_ih", "b_hh"), _LSTM)
    cls = "neuralhydrology.modelzoo.customlstm._LSTMCell"
    yield Layout("neuralhydrology.LSTMCell", (cls,), hydro, size="hidden_size", **facts)


def _others() -> Iterator[Layout]:
    """GRUs of one parameter per gate, and cells without recurrent weights."""
    single = tuple(p for g in _GRU for p in _pair((f"W_i{g}", f"W_h{g}"), (f"b_i{g}", f"b_h{g}"), g))
    yield Layout(
        "gru_qat.GRUCellQuant", ("gru_qat.gru_cell.GRUCellQuant",), single, short=_short(_GRU), separate=("new",),
        polarity={"update": 1}, size="hidden_size",
    )  # fmt: skip
    for name, letters, retain, polarity in (("minGRU", "nz", "update", -1), ("minLSTM", "nfi", "forget", 1)):
        weight = "to_hidden_and_gate.weight" if name == "minGRU" else "to_hidden_and_f_i_gate.weight"
        part = (_part(weight, "input", letters),)
        cls = f"minGRU_pytorch.{name}.{name}"
        yield Layout(f"minGRU_pytorch.{name}", (cls,), part, short=_short(letters), polarity={retain: polarity})


def package_layouts() -> tuple[Layout, ...]:
    """The layouts that are shipped for classes of other packages."""
    return (*_lstms(), *_recurrent_cells(), *_keras(), *_others())

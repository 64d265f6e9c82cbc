"""The layouts of torch's own modules (order and merging: pytorch/pytorch#750; checked by behaviour in the tests)."""

from __future__ import annotations

from rnninit_hooks.layouts.model import Layout, Part

LSTM_GATES = ("input", "forget", "cell", "output")
GRU_GATES = ("reset", "update", "new")
RNN_GATES = ("hidden",)
_LAYERED = r"_l(?P<layer>\d+)(?P<reverse>_reverse)?"


def _recurrent_parts(gates: tuple[str, ...], suffix: str, effective: str) -> tuple[Part, ...]:
    return (
        Part("weight_ih", rf"weight_ih{suffix}", kind="input", order=gates),
        Part("weight_hh", rf"weight_hh{suffix}", kind="recurrent", order=gates),
        Part("bias_ih", rf"bias_ih{suffix}", kind="bias", order=gates, partner="ih", effective=effective),
        Part("bias_hh", rf"bias_hh{suffix}", kind="bias", order=gates, partner="hh", effective=effective),
    )


def _pair(
    name: str, gates: tuple[str, ...], short: dict[str, str], *, retain: str | None = None, separate: tuple[str, ...] = ()
) -> list[Layout]:
    """The layout of a layered class and of its cell; an open `retain` gate keeps the old state in all of torch."""
    polarity = {retain: 1} if retain else {}
    layered = (
        *_recurrent_parts(gates, _LAYERED, "bias_l{layer}{reverse}"),
        Part("weight_hr", rf"weight_hr{_LAYERED}", kind="projection"),
    )
    cell = _recurrent_parts(gates, "", "bias")
    return [
        Layout(
            f"torch.{name}{suffix}", (f"torch.nn.modules.rnn.{name}{suffix}",), parts, short=short, separate=separate,
            polarity=polarity, size="hidden_size", required=("weight_ih", "weight_hh"),
        )
        for suffix, parts in (("", layered), ("Cell", cell))
    ]  # fmt: skip


def _attention() -> Layout:
    gates = ("query", "key", "value")
    separate = tuple(Part(f"{g[0]}_proj_weight", rf"{g[0]}_proj_weight", order=(g,)) for g in gates)
    fused = (Part("in_proj_weight", "in_proj_weight", order=gates), Part("in_proj_bias", "in_proj_bias", order=gates))
    short = {gate[0]: gate for gate in gates}
    classes = ("torch.nn.modules.activation.MultiheadAttention",)
    parts = (*fused, *separate)
    return Layout("torch.MultiheadAttention", classes, parts, short=short, size="embed_dim", recurrent=False)


def torch_layouts() -> tuple[Layout, ...]:
    """The layouts of LSTM, GRU, RNN, their cells, and MultiheadAttention."""
    lstm = _pair("LSTM", LSTM_GATES, {"i": "input", "f": "forget", "g": "cell", "o": "output"}, retain="forget")
    gru_short = {"r": "reset", "z": "update", "n": "new"}
    gru = _pair("GRU", GRU_GATES, gru_short, retain="update", separate=("new",))
    rnn = _pair("RNN", RNN_GATES, {"h": "hidden"})
    return (*lstm, *gru, *rnn, _attention())

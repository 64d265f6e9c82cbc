"""Programs around the initialisation of recurrent layers, made at random, whole or damaged."""

from __future__ import annotations

from random import Random

from tests.fuzz.mutations import damaged
from tests.lint.test_corpus import SNIPPETS, split

CORPUS = [split(text)[0].encode() for text in SNIPPETS.values()]
NAMES = ("lstm", "self.lstm", "self", "gru", "p", "param", "name", "n", "model", "m", "cell", "hidden", "f", "g", "A", "x")
LAYERS = ("nn.LSTM(4, 8)", "nn.GRU(4, 8, num_layers=n)", "nn.LSTMCell(n, n)", "nn.RNN(4, 4, bidirectional=x)", "A(n)", "nn.Linear(n, 4 * n)")
ATTRIBUTES = (
    "weight_hh_l0", "bias_ih_l0", "bias_hh_l1_reverse", "data", "T", "shape", "weight", "bias", "all_weights", "_all_weights",
    "num_layers", "hidden_size", "lstm", "ndim", "grad", "__class__", "__name__",
)  # fmt: skip
CALLS = (
    "nn.init.orthogonal_", "nn.init.xavier_uniform_", "nn.init.constant_", "nn.init.zeros_", "init.orthogonal", "torch.zeros",
    "len", "getattr", "setattr", "isinstance", "zip", "enumerate", "range", "list", "torch.split", "torch.chunk", "f", "A", "eval",
    "nn.Parameter", "nn.ModuleList", "nn.Sequential", "dict", "sorted", "filter", "type", "dir", "super().__init__", "init_lstm",
)  # fmt: skip
METHODS = (
    "fill_", "zero_", "chunk", "split", "size", "numel", "named_parameters", "parameters", "modules", "apply", "copy_", "view",
    "load_state_dict", "reset_parameters", "init_weights", "append", "format", "startswith", "uniform_", "add_", "t", "narrow",
)  # fmt: skip
PIECES = tuple(
    piece.encode()
    for piece in (
        "lambda: ", "async ", "await ", "yield ", "*", "**", ":=", "->", "@", "\\\n", "f'{x!r:>{n}}'", "match x:\n case 1: pass\n", "…",
        "# rnninit: ignore[RNN303] why", "# rnninit: ignore[", "global x\n", "del p\n", "nonlocal n\n", "ªº", "'''", "0x", "1__0", "if",
        "else:", "elif x:", "try:", "except* E:", "with torch.no_grad():", "return", "import torch", "from . import *", "class A(A):",
    )
)  # fmt: skip


def source_file(random: Random) -> bytes:
    """One file: a damaged snippet, or a program made at random, sometimes damaged too."""
    if random.random() < 0.5:
        return damaged(random.choice(CORPUS), CORPUS, PIECES, random)
    made = _program(random).encode()
    return damaged(made, CORPUS, PIECES, random) if random.random() < 0.3 else made


def _program(random: Random) -> str:
    lines = ["import torch", random.choice(("from torch import nn", "import torch.nn as nn", "from torch.nn import *"))]
    for _ in range(random.randint(1, 3)):
        head = random.choice(("class A(nn.Module):\n  def __init__(self, n):", "def f(lstm, n, x=1):", "def init_lstm(p):", "if x:"))
        indent = 4 if head.startswith("class") else 2
        lines += [head, *_block(random, indent, 3)]
    return "\n".join(lines) + "\n"


def _block(random: Random, indent: int, depth: int) -> list[str]:
    return [line for _ in range(random.randint(1, 4)) for line in _statement(random, indent, depth)]


def _statement(random: Random, indent: int, depth: int) -> list[str]:
    pad, how = " " * indent, random.randrange(9 if depth else 4)
    if how == 0:
        return [f"{pad}{_target(random)} = {_expression(random, 3)}"]
    if how in (1, 2):
        return [pad + _expression(random, 3)]
    if how == 3:
        return [pad + random.choice(("return p", "pass", "continue", "x += n", "raise E", "p.data[n:2*n] = 1", "del x", "assert p"))]
    heads = (
        f"for name, p in {random.choice(NAMES)}.named_parameters():", f"for {random.choice(NAMES)} in {_expression(random, 2)}:",
        f"if {_condition(random)}:", f"if 'bias' in name and {_condition(random)}:", "with torch.no_grad():", f"while {_condition(random)}:",
        "try:",
    )  # fmt: skip
    head = random.choice(heads)
    tail = [f"{pad}except E as x:", f"{pad}  pass"] if head == "try:" else []
    more = [f"{pad}else:", *_block(random, indent + 2, depth - 1)] if head.startswith("if") and random.random() < 0.5 else []
    return [pad + head, *_block(random, indent + 2, depth - 1), *more, *tail]


def _target(random: Random) -> str:
    return random.choice((random.choice(NAMES), f"self.{random.choice('abc')}", "i, f, g, o", "x, *n", "p.data", "p[n:2 * n]", "x[0], n"))


def _condition(random: Random, depth: int = 1) -> str:
    text = random.choice(("bias", "weight_hh", "forget", "_l0", "hh", "", "é"))
    forms = (f"'{text}' in name", f"name.startswith('{text}')", "isinstance(m, nn.LSTM)", "p.dim() > 1", f"not {random.choice(NAMES)}",
             f"{_expression(random, depth)} == {_expression(random, depth)}", f"len(p.shape) >= {random.randint(0, 3)}", "n % 4 == 0")  # fmt: skip
    return random.choice(forms)


def _expression(random: Random, depth: int) -> str:
    if not depth or random.random() < 0.2:
        return random.choice((*NAMES, *LAYERS, "1", "0.5", "-1", "n // 4", "10**9", "'bias_{}'", "None", "True", "1e400", "0"))
    inner = _expression(random, depth - 1)
    other = _expression(random, depth - 1)
    forms = (
        f"{inner}.{random.choice(ATTRIBUTES)}", f"{random.choice(CALLS)}({inner}, {other})", f"{inner}.{random.choice(METHODS)}({other})",
        f"{inner}[{other}]", f"{inner}[{other}:{inner}]", f"({inner} {random.choice('+-*/%')} {other})", f"({inner} // {other})", f"[{inner}, {other}]",
        f"[{inner} for p in {other}]", f"({inner} if {_condition(random, 0)} else {other})", f"(lambda p: {inner})", f"f'{{{random.choice(NAMES)}}}_l0'",
        f"{{'a': {inner}, **{other}}}", f"({inner} ** {other})", f"({inner}, *{other})", f"'{{}}'.format({inner})", f"({inner} << {other})",
    )  # fmt: skip
    return random.choice(forms)

"""A clean model file, and the defects that can be put into it, numbered as in the survey of public code that they come from.

Not seeded, since they are no line of one model file: a name that lives and a slice that is empty (D2), a scope too wide (D19),
ties and padding (D21), parametrizations (D22), code that is never called (D25), weights rewritten in forward (D26), constants
in forward (D28), low precision (D30). The suites of layouts, lifecycle and apply have them.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent, indent

HEAD = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, size=32, checkpoint=None):
        super().__init__()
        self.rnn = nn.{cell}(size, size{options})
        self.norm = nn.LayerNorm(size)
        self.head = nn.Linear(size, 3)
        self.initialise(checkpoint)

    def initialise(self, checkpoint):
        size = 32
"""
CLEAN = """
for name, param in self.rnn.named_parameters():
    if "weight_hh" in name:
        for gate in param.data.chunk({gates}):
            nn.init.orthogonal_(gate)
    elif "weight_ih" in name:
        for gate in param.data.chunk({gates}):
            nn.init.xavier_uniform_(gate)
    elif "weight_hr" in name:
        nn.init.xavier_uniform_(param)
    elif "bias" in name:
        nn.init.zeros_(param)
        if "bias_ih" in name:
            param.data[{retain}].fill_(1.0)
"""
GATES = {"LSTM": (4, "size:2 * size"), "GRU": (3, "size:2 * size")}


@dataclass(frozen=True)
class Seed:
    """One defect: how `after` (code after the clean one) or `instead` (of a text in it) makes it."""

    name: str
    after: str = ""
    instead: tuple[tuple[str, str], ...] = ()
    cell: str = "LSTM"
    options: str = ", num_layers=2, bidirectional=True"
    crashes: str = ""
    """What torch says when the code runs; then nothing is left to check."""

    @property
    def source(self) -> str:
        """The whole file."""
        gates, retain = GATES[self.cell]
        body = CLEAN.format(gates=gates, retain=retain) + dedent(self.after)
        for old, new in self.instead:
            assert old in body, (self.name, old)
            body = body.replace(old, new)
        return HEAD.format(cell=self.cell, options=self.options) + indent(body, " " * 8)


FORGET = 'if "bias_ih" in name:\n            param.data[size:2 * size].fill_(1.0)'
SEEDS = (
    Seed("clean LSTM"),
    Seed("clean GRU", cell="GRU"),
    Seed("clean half and half", instead=((FORGET, "param.data[size:2 * size].fill_(0.5)"),)),
    Seed("D1 dead name test", instead=(('"bias_ih" in name', '"forget" in name'),)),
    Seed("D3 doubled", instead=((FORGET, "param.data[size:2 * size].fill_(1.0)"),)),
    Seed("D3 doubled through all_weights", after="""
        for _, _, one, other in self.rnn.all_weights:
            one.data[size:2 * size] = 1.0
            other.data[size:2 * size] = 1.0
    """),
    Seed("D4 partner left at default", instead=(("nn.init.zeros_(param)", "pass"),)),
    Seed("D5 layer 0 only", after="""
        for name, param in self.rnn.named_parameters():
            if "bias" in name:
                nn.init.zeros_(param)
        self.rnn.bias_ih_l0.data[size:2 * size].fill_(1.0)
        self.rnn.bias_ih_l0_reverse.data[size:2 * size].fill_(1.0)
    """, instead=((FORGET, "pass"),)),
    Seed("D6 reverse missed", after="""
        for layer in range(2):
            getattr(self.rnn, f"bias_ih_l{layer}").data[size:2 * size].fill_(1.0)
    """, instead=((FORGET, "pass"),)),
    Seed("D7 stacked orthogonal", instead=(("for gate in param.data.chunk(4):\n            nn.init.orthogonal_(gate)", "nn.init.orthogonal_(param)"),)),
    Seed("D8 stacked Xavier", instead=(("for gate in param.data.chunk(4):\n            nn.init.xavier_uniform_(gate)", "nn.init.xavier_uniform_(param)"),)),
    Seed("D9 stacked identity", instead=(("for gate in param.data.chunk(4):\n            nn.init.orthogonal_(gate)", "nn.init.eye_(param)"),)),
    Seed("D9 unit draws", instead=(("for gate in param.data.chunk(4):\n            nn.init.orthogonal_(gate)", "nn.init.normal_(param)"),)),
    Seed("D10 wrong slot", instead=((FORGET, 'if "bias_ih" in name:\n            # the forget gate\n            param.data[2 * size:3 * size].fill_(1.0)'),)),
    Seed("D11 wrong polarity", cell="GRU", instead=(("param.data[size:2 * size].fill_(1.0)", "param.data[size:2 * size].fill_(-1.0)"),)),
    Seed("D12 quarters on a GRU", cell="GRU", instead=(("param.data[size:2 * size].fill_(1.0)", "param.data[len(param) // 4:len(param) // 2].fill_(1.0)"),)),
    Seed("D12 four gates on a GRU", cell="GRU", instead=(("param.data.chunk(3):\n            nn.init.orthogonal_", "param.data.chunk(4):\n            nn.init.orthogonal_"),)),
    Seed("D13 chrono on both", instead=((FORGET, "param.data[size:2 * size] = torch.log(torch.empty(size).uniform_(1, 99))"),)),
    Seed("D14 in-place on a view", instead=(("param.data[size:2 * size].fill_(1.0)", "param.chunk(4)[1].fill_(1.0)"),), crashes="view"),
    Seed("D14 lost copy", after="""
        for name, param in self.rnn.named_parameters():
            if "weight_ih" in name:
                param.data.t().contiguous().fill_(3.0)
    """),
    Seed("D15 four names for all_weights", options=", bias=False", after="""
        for _, recurrent, _, _ in self.rnn.all_weights:
            recurrent.data.mul_(1.0)
    """, crashes="not enough values"),
    Seed("D16 projection forgotten", options=", proj_size=16", instead=(("nn.init.xavier_uniform_(param)", "pass"),)),
    Seed("D17 no bias", options=", bias=False", after="self.rnn.bias_ih_l0.data.zero_()\n", crashes="bias_ih_l0"),
    Seed("D18 norm weights drawn", after="""
        for name, param in self.named_parameters():
            if "weight" in name and "rnn" not in name:
                nn.init.xavier_uniform_(param)
    """, crashes="fewer than 2 dimensions"),
    Seed("D18 norm weights zeroed", after="""
        for param in self.parameters():
            if param.dim() < 2:
                nn.init.zeros_(param)
    """),
    Seed("D20 init after load", after="""
        if checkpoint:
            self.rnn.load_state_dict(torch.load(checkpoint))
        init_weights(self.rnn)
    """),
    Seed("D20 a second init", after="""
        for name, param in self.rnn.named_parameters():
            if "weight_hh" in name:
                nn.init.xavier_uniform_(param)
    """),
    Seed("D23 a prefix that never is", instead=(('"weight_hh" in name', 'name.startswith("rnn.weight_hh")'),)),
    Seed("D24 a new Parameter", after="self.rnn.bias_hh_l0 = nn.Parameter(torch.ones(4 * size))\n"),
    Seed("D27 copied gates", instead=(("for gate in param.data.chunk(4):\n            nn.init.orthogonal_(gate)", "block = nn.init.orthogonal_(torch.empty(size, size))\n        param.data.copy_(block.repeat(4, 1))"),)),
    Seed("D29 nothing at all", instead=(("for name, param in self.rnn.named_parameters():", "for name, param in ():"),)),
)  # fmt: skip

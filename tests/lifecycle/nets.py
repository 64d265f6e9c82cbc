"""The models that hazards happen to, and the policy that is pending on them."""

from __future__ import annotations

import warnings

import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

import rnninit_hooks as ri

X = torch.ones(3, 1, 4)
POLICY = ri.loads(
    "version: 1\n"
    "extends: builtin:lstm-classic\n"
    "seed: 3\n"
    "untouched: allow\n"
    "rules:\n"
    "  - {id: head, match: {parameter: 'head.weight$'}, init: {kind: normal, std: 0.1}, idle: allow}\n"
    "  - {id: head-bias, match: {parameter: 'head.bias$'}, init: {kind: constant, value: 0.25}, idle: allow}\n"
)
RNN_ONLY = ri.loads("version: 1\nextends: builtin:lstm-classic\nuntouched: allow\n")
WORDS = ri.loads("version: 1\nrules:\n  - {id: words, match: {parameter: words}, init: {kind: normal, std: 0.5}}\n")
SQUARE = ri.loads("version: 1\nrules:\n  - {id: square, match: {parameter: 'weight$'}, init: {kind: orthogonal}}\n")


class Net(nn.Module):
    """A recurrent net with second entry points."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.LSTM(4, 6, num_layers=2)
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        return self.head(self.encoder(x)[0])

    def generate(self, x):
        return self.head(self.step(x))

    def step(self, x):
        return self.encoder(x)[0]


class CellNet(nn.Module):
    """A recurrence that the compiler can follow."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(4, 6)
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        state = None
        for step in x:
            state = self.cell(step, state)
        return self.head(state[0])


class Tied(nn.Module):
    """One tensor under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(5, 4)
        self.out = nn.Linear(4, 5, bias=False)
        self.out.weight = self.words.weight

    def forward(self, x):
        return self.out(self.words(torch.zeros(1, dtype=torch.long)))


class Untied(Tied):
    """The same, tied later."""

    def __init__(self) -> None:
        super().__init__()
        self.out.weight = nn.Parameter(torch.zeros(5, 4))


class Shared(nn.Module):
    """One module under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = self.again = nn.LSTM(4, 4)

    def forward(self, x):
        return self.again(self.first(x)[0])[0]


class LazyNet(nn.Module):
    """A head whose width is found out in the first forward."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.LSTM(4, 6)
        self.head = nn.LazyLinear(2)

    def forward(self, x):
        return self.head(self.encoder(x)[0])


class OwnWeights(nn.Module):
    """A root that owns parameters itself."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Parameter(torch.zeros(4, 4))

    def forward(self, x):
        return x @ self.words


class Deaf(nn.Linear):
    """Loads without telling torch."""

    def _load_from_state_dict(self, state, prefix, *_):
        with torch.no_grad():
            self.weight.copy_(state[prefix + "weight"])
            self.bias.copy_(state[prefix + "bias"])


class Raising(nn.Linear):
    """Cannot be loaded."""

    def _load_from_state_dict(self, state, prefix, *_):
        raise KeyError("cannot read this checkpoint")


class WeightDrop(nn.Module):
    """Renames a recurrent weight to `_raw` and drops parts of it in every forward, as AWD-LSTM does."""

    def __init__(self, rnn: nn.LSTM, name: str = "weight_hh_l0") -> None:
        super().__init__()
        self.rnn, self.name = rnn, name
        raw = getattr(rnn, name)
        del rnn._parameters[name]
        rnn.register_parameter(f"{name}_raw", nn.Parameter(raw.detach()))
        setattr(rnn, name, raw.detach())

    def forward(self, x):
        raw = getattr(self.rnn, f"{self.name}_raw")
        setattr(self.rnn, self.name, raw * torch.ones_like(raw))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.rnn(x)[0]


def old_weight_norm(module, name="weight_hh_l0"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nn.utils.weight_norm(module, name)


def lstm():
    return nn.LSTM(4, 6)


def new_weight_norm(module, name="weight_hh_l0"):
    return parametrizations.weight_norm(module, name)


def new_spectral_norm(module, name="weight_hh_l0"):
    return parametrizations.spectral_norm(module, name)


def old_spectral_norm(module, name="weight_hh_l0"):
    return nn.utils.spectral_norm(module, name)


def orthogonal(module, name="weight_hh_l0"):
    return parametrizations.orthogonal(module, name)


def pruned(module, name="weight_hh_l0"):
    return prune.l1_unstructured(module, name, amount=0.5)


def fresh(build):
    torch.manual_seed(0)
    return build()


def donor():
    """A checkpoint that somebody trained."""
    torch.manual_seed(1)
    return {name: value.clone() for name, value in Net().state_dict().items()}


def on_meta():
    with torch.device("meta"):
        return Net()

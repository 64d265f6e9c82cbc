"""Two models and the factories by which everybody makes them."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

import rnninit_hooks as ri

RULES = Path(__file__).with_name("init.rules.yaml")


class Tagger(nn.Module):
    """Words to tags."""

    def __init__(self, words: int = 200, tags: int = 9, hidden: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, 16, padding_idx=0)
        self.encoder = nn.LSTM(16, hidden, num_layers=2, batch_first=True)
        self.head = nn.Linear(hidden, tags)

    def forward(self, words: Tensor) -> Tensor:
        scores: Tensor = self.head(self.encoder(self.embedding(words))[0])
        return scores


class Forecaster(nn.Module):
    """A series to its next value."""

    def __init__(self, features: int = 4, hidden: int = 24) -> None:
        super().__init__()
        self.reader = nn.GRU(features, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, series: Tensor) -> Tensor:
        value: Tensor = self.head(self.reader(series)[0][:, -1])
        return value


def tagger(**sizes: int) -> Tagger:
    """A tagger that starts as the team agreed."""
    model = Tagger(**sizes)
    ri.apply(model, RULES)
    return model


def forecaster(**sizes: int) -> Forecaster:
    """A forecaster that starts as the team agreed."""
    model = Forecaster(**sizes)
    ri.apply(model, RULES)
    return model

"""Models to try the tool on: what a team's own code looks like, with nothing in it about initialisation."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Tagger(nn.Module):
    """Words to tags: an embedding, two bidirectional LSTM layers, a linear head."""

    def __init__(self, words: int = 500, tags: int = 12, width: int = 48, hidden: int = 64) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, width, padding_idx=0)
        self.encoder = nn.LSTM(width, hidden, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * hidden, tags)

    def forward(self, words: Tensor) -> Tensor:
        states, _ = self.encoder(self.embedding(words))
        scores: Tensor = self.head(states)
        return scores


class Forecaster(nn.Module):
    """A GRU that reads a series and predicts its next value."""

    def __init__(self, features: int = 4, hidden: int = 32) -> None:
        super().__init__()
        self.reader = nn.GRU(features, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, series: Tensor) -> Tensor:
        states, _ = self.reader(series)
        value: Tensor = self.head(states[:, -1])
        return value


def tagger(**sizes: int) -> Tagger:
    """A tagger, for `rnninit plan examples/models.py:tagger`."""
    return Tagger(**sizes)


if __name__ == "__main__":
    print(Tagger()(torch.randint(0, 500, (2, 7))).shape, Forecaster()(torch.zeros(2, 9, 4)).shape)

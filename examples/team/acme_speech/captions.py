"""A captioner that is older than the policy; what it owes stands in rnninit.baseline.json."""

from __future__ import annotations

from torch import Tensor, nn

import rnninit_hooks as ri
from acme_speech.models import RULES


class Captioner(nn.Module):
    """Frames to a sentence."""

    def __init__(self, features: int = 12, words: int = 50, hidden: int = 20) -> None:
        super().__init__()
        self.decoder = nn.GRU(features, hidden, batch_first=True)
        self.head = nn.Linear(hidden, words)

    def forward(self, frames: Tensor) -> Tensor:
        scores: Tensor = self.head(self.decoder(frames)[0])
        return scores


def captioner(**sizes: int) -> Captioner:
    """A captioner as it started in the first release, which the next one will not repeat."""
    model = Captioner(**sizes)
    ri.apply(model, RULES)
    nn.init.orthogonal_(model.decoder.weight_hh_l0)
    return model

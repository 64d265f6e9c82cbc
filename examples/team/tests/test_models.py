"""What the rules cannot say: the models run, and sizes that no target names obey too."""

from __future__ import annotations

import torch
from acme_speech.captions import captioner
from acme_speech.models import forecaster, tagger


def test_shapes():
    assert tagger()(torch.ones(2, 5, dtype=torch.long)).shape == (2, 5, 9)
    assert forecaster()(torch.zeros(2, 48, 4)).shape == (2, 1)
    assert captioner()(torch.zeros(2, 7, 12)).shape == (2, 7, 50)


def test_a_larger_tagger_obeys_too(init_check):
    init_check(tagger(hidden=48))

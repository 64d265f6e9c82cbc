"""A model that somebody else wrote: the audio codec of `transformers`, whose LSTMs keep torch's defaults."""

from __future__ import annotations

import torch
from transformers import EncodecConfig, EncodecModel

import rnninit_hooks as ri


def codec() -> EncodecModel:
    """Encodec at its published size, 24 kHz, two LSTM layers in encoder and decoder; random weights."""
    return EncodecModel(EncodecConfig())


def main() -> None:
    model = codec().eval()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters() if ".lstm." not in name}
    print(ri.plan(model, "lstm-classic"))
    assert not ri.check(model, "lstm-classic").ok, "torch's defaults are no lstm-classic"
    ri.apply(model, "lstm-classic")
    verdict = ri.check(model, "lstm-classic")
    print(verdict)
    assert verdict.ok
    assert all(torch.equal(dict(model.named_parameters())[name], value) for name, value in before.items())
    with torch.no_grad():
        sound = model(torch.randn(1, 1, 4800)).audio_values
    print(f"forward runs: {tuple(sound.shape)}, finite {bool(sound.isfinite().all())}")
    assert sound.isfinite().all()


if __name__ == "__main__":
    main()

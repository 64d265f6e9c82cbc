"""Who looks at a model that is still pending is told so, and nobody else is."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import rnninit_hooks as ri


def codes(findings) -> list[str]:
    return [finding.code for finding in findings]


@pytest.mark.parametrize("look", [lambda model: ri.check(model, "lstm-classic"), ri.inspect, lambda model: ri.inspect(model, probe=True)])
def test_a_pending_model_is_said_to_be_pending_once_and_no_longer_when_it_has_run(look):
    model = nn.Sequential(nn.LSTM(3, 4), nn.Identity())
    ri.attach(model, "lstm-classic")
    (finding,) = [one for one in look(model).findings if one.code == "RNN119"]
    assert finding.address == "0" and "ri.materialize" in str(finding)
    model[0](torch.randn(2, 3))
    assert "RNN119" not in codes(look(model).findings)


def test_looking_leaves_it_pending():
    model = nn.LSTM(3, 4)
    handle = ri.attach(model, "lstm-classic")
    before = {name: value.clone() for name, value in model.named_parameters()}
    ri.check(model, "lstm-classic")
    ri.inspect(model, probe=True)
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())
    assert set(handle.status.values()) == {"pending"}


def test_a_removed_handle_leaves_nothing_to_say():
    model = nn.LSTM(3, 4)
    ri.attach(model, "lstm-classic").remove()
    assert "RNN119" not in codes(ri.check(model, "lstm-classic").findings)

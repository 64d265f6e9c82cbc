"""A pending cell whose gates live in children: whatever happens to a child is noticed by the cell."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch
from torch import nn

import rnninit_hooks as ri
from rnninit_hooks.layouts import registry
from rnninit_hooks.marks import GUEST, PENDING

RULES = ri.loads("""
version: 1
untouched: allow
rules:
  - {id: ortho, match: {kind: recurrent}, init: {kind: orthogonal}}
  - {id: input, match: {kind: input}, init: {kind: xavier_uniform}}
  - {id: bias, match: {kind: bias}, init: {kind: zeros}}
  - {id: keep, match: {kind: bias, gate: retain}, init: {kind: retention, value: 0.9}}
""")
X, STATE = torch.zeros(2, 3), (torch.zeros(2, 4), torch.zeros(2, 4))


class TwoLinears(nn.Module):
    """g i f o, +1 in forward."""

    def __init__(self):
        super().__init__()
        self.inp, self.rec = nn.Linear(3, 16), nn.Linear(4, 16, bias=False)

    def forward(self, x, state):
        h, c = state
        g, i, f, o = (self.inp(x) + self.rec(h)).chunk(4, -1)
        c = torch.sigmoid(f + 1) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.head = TwoLinears(), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.cell(x, STATE)[0])


@pytest.fixture(autouse=True)
def registered():
    order = ("cell", "input", "forget", "output")
    parts = (
        ri.Part("inp.weight", r"inp\.weight", kind="input", order=order),
        ri.Part("inp.bias", r"inp\.bias", kind="bias", order=order),
        ri.Part("rec.weight", r"rec\.weight", kind="recurrent", order=order),
    )
    name = f"{TwoLinears.__module__}.{TwoLinears.__qualname__}"
    ri.register_layout(ri.Layout(name, (name,), parts, polarity={"forget": 1}, constant={"forget": 1.0}))
    yield
    registry.unregister_layout(name)


def pair():
    """One pending, one initialised at once, from the same start."""
    torch.manual_seed(0)
    later = Net()
    now = copy.deepcopy(later)
    ri.apply(now, RULES)
    return later, now, ri.attach(later, RULES)


def same(one: nn.Module, two: nn.Module) -> bool:
    pairs = zip(one.parameters(), two.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def clean(model: nn.Module) -> bool:
    hooks = ("_forward_pre_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks")
    return not any(getattr(part, name) for part in model.modules() for name in hooks) and not any(
        mark in part.__dict__ for part in model.modules() for mark in (PENDING, GUEST)
    )


def test_the_children_s_weights_are_gates_of_the_cell():
    _, now, _ = pair()
    blocks = now.cell.rec.weight.detach().chunk(4)
    assert all(torch.allclose(block @ block.T, torch.eye(4), atol=1e-6) for block in blocks)
    kept = torch.sigmoid(now.cell.inp.bias.detach().chunk(4)[2] + 1)
    assert torch.allclose(kept, torch.full((4,), 0.9), atol=1e-6) and ri.check(now, RULES).ok


@pytest.mark.parametrize(
    "settle",
    [
        lambda model: model(X), lambda model: model.cell(X, STATE), lambda model: model.state_dict(), ri.materialize,
        lambda model: torch.compile(model, backend="eager")(X), lambda model: model.cell.state_dict(),
    ],
)  # fmt: skip
def test_settled_from_above_it_equals_apply_and_leaves_nothing(settle):
    later, now, handle = pair()
    settle(later)
    ri.materialize(later)
    assert same(later, now) and not handle.pending and clean(later)


def test_a_child_used_by_itself_says_what_to_do_and_changes_nothing():
    later, now, _ = pair()
    before = copy.deepcopy([p.detach().clone() for p in later.parameters()])
    for use in (lambda: later.cell.inp(X), lambda: later.cell.rec.state_dict()):
        with pytest.raises(ri.PendingInit, match="holds gates of cell"):
            use()
    assert all(torch.equal(a, b) for a, b in zip(later.parameters(), before, strict=True))
    later(X)
    assert same(later, now)


def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(9)
    return {name: torch.randn_like(value) for name, value in Net().state_dict().items()}


LOADS = {
    "whole": (lambda model, w: model.load_state_dict(w), {"cell.inp.weight", "cell.inp.bias", "cell.rec.weight", "head.weight", "head.bias"}),
    "assigned": (lambda model, w: model.load_state_dict(w, assign=True), {"cell.inp.weight", "cell.inp.bias", "cell.rec.weight", "head.weight", "head.bias"}),
    "partial": (lambda model, w: model.load_state_dict({"cell.rec.weight": w["cell.rec.weight"]}, strict=False), {"cell.rec.weight"}),
    "child": (lambda model, w: model.cell.inp.load_state_dict({"weight": w["cell.inp.weight"], "bias": w["cell.inp.bias"]}), {"cell.inp.weight", "cell.inp.bias"}),
}


@pytest.mark.parametrize("name", LOADS)
def test_what_was_loaded_is_kept_and_the_rest_is_initialised(name):
    load, brought = LOADS[name]
    later, now, handle = pair()
    given = weights()
    load(later, given)
    later(X)
    expected = {**dict(now.named_parameters()), **{key: given[key] for key in brought}}
    assert all(torch.equal(value, expected[key]) for key, value in later.named_parameters())
    loaded = {address.partition("[")[0] for address, status in handle.status.items() if status == "loaded"}
    assert loaded == brought - {"head.weight", "head.bias"} and clean(later)


@pytest.mark.parametrize(
    "write",
    [
        lambda p: p.data.fill_(3.0), lambda p: p.detach().numpy().fill(3.0), lambda p: nn.init.constant_(p, 3.0),
    ],
)  # fmt: skip
def test_what_somebody_wrote_is_kept_and_said(write):
    later, _, handle = pair()
    write(later.cell.rec.weight)
    with pytest.warns(ri.RnnInitWarning, match="RNN115"):
        later(X)
    assert bool((later.cell.rec.weight == 3.0).all()) and handle.status["cell.rec.weight[forget]"] == "touched"


def test_a_new_parameter_is_kept():
    later, _, handle = pair()
    later.cell.rec.weight = nn.Parameter(torch.full((16, 4), 3.0))
    with pytest.warns(ri.RnnInitWarning, match="RNN115"):
        ri.materialize(later)
    assert bool((later.cell.rec.weight == 3.0).all()) and handle.status["cell.rec.weight[forget]"] == "touched"


def saved(model):
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


@pytest.mark.parametrize("copier", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model)), saved])
def test_copies_are_pending_by_themselves(copier):
    later, now, _ = pair()
    other = copier(later)
    other(X)
    assert same(other, now) and clean(other) and not clean(later)
    with pytest.raises(ri.PendingInit):
        copier(Net().cell if False else later).cell.inp(X)
    later(X)
    assert same(later, now) and clean(later)


def test_a_copied_child_says_that_it_belongs_to_a_pending_cell():
    later, _, _ = pair()
    with pytest.raises(ri.PendingInit):
        copy.deepcopy(later.cell.inp)(X)


def test_removal_and_meta():
    later, _, handle = pair()
    handle.remove()
    assert clean(later)
    later.cell.inp(X)
    with torch.device("meta"):
        bare = Net()
    ri.attach(bare, RULES)
    real = ri.materialize(bare, device="cpu")
    _, now, _ = pair()
    named = dict(now.named_parameters())
    assert all(torch.equal(value, named[name]) for name, value in real.named_parameters() if name.startswith("cell."))
    assert clean(real)


def test_by_class_and_by_block_it_is_the_same():
    _, now, _ = pair()
    torch.manual_seed(0)
    with ri.enforced(RULES):
        inside = Net()
        inside(X)
    decorated = ri.initialized(RULES)(type("Decorated", (Net,), {}))
    torch.manual_seed(0)
    assert same(inside, now) and same(decorated(), now)

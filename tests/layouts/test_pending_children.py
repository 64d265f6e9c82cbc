"""What may happen to a child between the attachment and the first forward of the cell that has its gates there."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.utils import parametrizations

import rnninit_hooks as ri
from rnninit_hooks.hooks import guests, watch
from rnninit_hooks.hooks.ledger import any_live
from rnninit_hooks.marks import GUEST, PENDING
from tests.layouts import cells
from tests.layouts.cells import NESTED, H, I
from tests.lifecycle.table import bits, differing, traces

POLICY = ri.loads("""
version: 1
untouched: allow
rules:
  - {id: ortho, match: {kind: recurrent}, init: {kind: orthogonal}}
  - {id: input, match: {kind: input}, init: {kind: xavier_uniform}}
  - {id: bias, match: {kind: bias}, init: {kind: zeros}}
  - {id: keep, match: {kind: bias, gate: retain}, init: {kind: retention, value: 0.9}}
  - {id: head, match: {parameter: 'head'}, init: {kind: normal, std: 0.25}}
""")
OTHER = ri.loads("version: 1\nuntouched: allow\nrules:\n  - {id: other, match: {parameter: '.*'}, init: {kind: zeros}}\n")
every_cell = pytest.mark.parametrize("cls", NESTED, ids=lambda cls: cls.__name__)
X = torch.zeros(2, I)


@pytest.fixture(autouse=True)
def registered():
    with cells.known():
        yield


def hear(model: nn.Module) -> None:
    model(torch.zeros(2, I, 3, 3) if isinstance(model.cell, cells.Convolved) else X)


def eager(cls: type[nn.Module] = cells.TwoLinears) -> nn.Module:
    model = cells.Model(cls)()
    ri.apply(model, POLICY)
    return model


def pending(cls: type[nn.Module] = cells.TwoLinears) -> tuple[nn.Module, ri.Handle]:
    model = cells.Model(cls)()
    return model, ri.attach(model, POLICY)


def settled(model: nn.Module, wanted: nn.Module) -> None:
    """The same bits, and nothing of ours left on anybody."""
    assert not differing(bits(model), bits(wanted)) and not traces(model)
    assert not any(mark in part.__dict__ for part in model.modules() for mark in (PENDING, GUEST))
    hooks = ("_forward_pre_hooks", "_forward_hooks", "_state_dict_pre_hooks", "_state_dict_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks")
    assert not any(getattr(part, name) for part in model.modules() for name in hooks)


def untouched(model: nn.Module) -> None:
    """Nothing half done: as built, and still pending."""
    assert not differing(bits(model), bits(cells.Model(type(model.cell))()))
    assert PENDING in model.cell.__dict__ and any(GUEST in part.__dict__ for part in model.cell.modules())


def donor(cls: type[nn.Module]) -> dict[str, torch.Tensor]:
    torch.manual_seed(9)
    return {name: torch.randn_like(value) for name, value in cells.Model(cls)().state_dict().items()}


def children(cell: nn.Module) -> dict[str, nn.Module]:
    return {name: child for name, child in cell.named_modules() if name and child._parameters}


@every_cell
def test_the_first_forward_equals_apply_and_leaves_nothing(cls):
    model, handle = pending(cls)
    assert all(GUEST in child.__dict__ for child in children(model.cell).values())
    hear(model)
    settled(model, eager(cls))
    assert not handle.pending and set(handle.status.values()) == {"written"}
    gc.collect()
    watch._stop()
    assert not any_live()


SETTLE = {
    "state_dict": lambda model: model.state_dict(),
    "cell_state_dict": lambda model: model.cell.state_dict(),
    "materialize": ri.materialize,
    "materialize_cell": lambda model: ri.materialize(model.cell),
    "cell_called": lambda model: cells.step(model.cell, cells.memory(model.cell)),
    "compiled": lambda model: hear_compiled(torch.compile(model, backend="eager"), model),
    "compiled_cell": lambda model: setattr(model, "cell", torch.compile(model.cell, backend="eager")._orig_mod),
}


def hear_compiled(compiled, model):
    compiled(torch.zeros(2, I, 3, 3) if isinstance(model.cell, cells.Convolved) else X)


@every_cell
@pytest.mark.parametrize("how", SETTLE)
def test_settled_from_above_it_equals_apply(cls, how):
    model, handle = pending(cls)
    got = SETTLE[how](model)
    if how == "state_dict":
        assert all(torch.equal(value, eager(cls).state_dict()[name]) for name, value in got.items())
    if how == "cell_state_dict":
        assert all(torch.equal(value, eager(cls).cell.state_dict()[name]) for name, value in got.items())
    assert not any(status == "pending" for address, status in handle.status.items() if address.startswith("cell."))
    ri.materialize(model)
    settled(model, eager(cls))


def test_an_average_of_a_pending_model_is_settled_and_the_model_waits():
    model, _ = pending()
    settled(torch.optim.swa_utils.AveragedModel(model).module, eager())
    untouched(model)
    hear(model)
    settled(model, eager())


@every_cell
def test_under_fakes_nothing_is_settled_and_nothing_is_lost(cls):
    model, _ = pending(cls)
    with FakeTensorMode(allow_non_fake_inputs=True):
        hear(model)
        model.state_dict()
        call_child(next(iter(children(model.cell).values())))
    untouched(model)
    hear(model)
    settled(model, eager(cls))


@every_cell
def test_a_state_dict_of_what_has_no_memory_is_given(cls):
    with torch.device("meta"):
        model = cells.Model(cls)()
    ri.attach(model, POLICY)
    assert all(value.is_meta for value in model.state_dict().values())
    assert all(value.is_meta for child in children(model.cell).values() for value in child.state_dict().values())
    given = donor(cls)
    model.load_state_dict(given, assign=True)
    hear(model)
    assert not differing(bits(model), given) and not traces(model)


@every_cell
def test_initialising_a_child_at_once_is_a_write_like_any_other(cls):
    model, _ = pending(cls)
    child = next(iter(children(model.cell).values()))
    ri.apply(child, ri.loads("version: 1\nuntouched: allow\nrules:\n  - {id: w, match: {parameter: 'weight'}, init: {kind: constant, value: 2.0}}\n"))
    with pytest.warns(ri.RnnInitWarning, match="RNN115"):
        hear(model)
    assert bool((child.weight == 2.0).all()) and not traces(model)


def call_child(child: nn.Module) -> None:
    weight = child.weight
    child(torch.zeros(1, weight.shape[1], 3, 3) if weight.dim() == 4 else torch.zeros(1, weight.shape[1]))


ALONE = {
    "called": call_child,
    "state_dict": lambda child: child.state_dict(),
    "materialize": ri.materialize,
    "attach_same": lambda child: ri.attach(child, POLICY),
    "attach_other": lambda child: ri.attach(child, OTHER),
    "compiled": lambda child: call_child_of(torch.compile(child, backend="eager"), child),
    "averaged": lambda child: torch.optim.swa_utils.AveragedModel(child),
    "scripted": lambda child: torch.jit.script(child),
    "copy_called": lambda child: call_child(copy.deepcopy(child)),
    "pickle_called": lambda child: call_child(pickle.loads(pickle.dumps(child))),
    "copy_state_dict": lambda child: copy.deepcopy(child).state_dict(),
    "copy_materialize": lambda child: ri.materialize(copy.deepcopy(child)),
    "wrapped": lambda child: nn.Sequential(child).state_dict(),
    "wrapped_materialize": lambda child: ri.materialize(nn.Sequential(child)),
    "wrapped_attach": lambda child: ri.attach(nn.Sequential(child), OTHER),
    "wrapped_called": lambda child: call_wrapped(nn.Sequential(child), child),
    "wrapped_beside": lambda child: ri.materialize(beside(child)),
}


def call_child_of(compiled, child):
    compiled(torch.zeros(1, child.weight.shape[1], *([3, 3] if child.weight.dim() == 4 else [])))


call_wrapped = call_child_of


def beside(child: nn.Module) -> nn.Module:
    """A child in the company of something that is pending by itself."""
    rnn = nn.LSTM(2, 2)
    ri.attach(rnn, "lstm-classic")
    return nn.ModuleList([rnn, child])


@every_cell
@pytest.mark.parametrize("how", ALONE)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning")
def test_a_child_used_without_its_cell_says_what_to_do_and_nothing_is_half_done(cls, how):
    model, handle = pending(cls)
    for child in children(model.cell).values():
        with pytest.raises(ri.PendingInit, match=r"holds gates of cell.*materialize\(model\)"):
            ALONE[how](child)
        untouched(model)
        assert set(handle.status.values()) == {"pending"}
    hear(model)
    settled(model, eager(cls))
    for child in children(model.cell).values():
        call_child(child)


CONTAINER = {
    "called": lambda maps: nn.Module.__call__(maps, X),
    "state_dict": lambda maps: maps.state_dict(),
    "materialize": ri.materialize,
    "attach": lambda maps: ri.attach(maps, OTHER),
    "copied": lambda maps: copy.deepcopy(maps).state_dict(),
}


@pytest.mark.parametrize("how", CONTAINER)
def test_a_container_of_children_is_no_back_door(how):
    model, _ = pending(cells.WriteGated)
    with pytest.raises(ri.PendingInit, match="holds gates of cell"):
        CONTAINER[how](model.cell.maps)
    untouched(model)
    hear(model)
    settled(model, eager(cells.WriteGated))


def loads(cls: type[nn.Module]) -> dict[str, object]:
    """What is brought, by which way; keys of the model."""
    names = list(donor(cls))
    first = next(name for name in names if name.startswith("cell."))
    home, _, leaf = first.rpartition(".")
    mine = [name for name in names if name.rpartition(".")[0] == home]
    return {
        "whole": (names, lambda model, given: model.load_state_dict(given)),
        "assigned": (names, lambda model, given: model.load_state_dict(given, assign=True)),
        "cell": ([n for n in names if n.startswith("cell.")], lambda model, given: model.cell.load_state_dict({n.removeprefix("cell."): v for n, v in given.items() if n.startswith("cell.")})),
        "partial": ([first], lambda model, given: model.load_state_dict({first: given[first]}, strict=False)),
        "partial_assigned": ([first], lambda model, given: model.load_state_dict({first: given[first]}, strict=False, assign=True)),
        "child": (mine, lambda model, given: model.get_submodule(home).load_state_dict({n.rpartition(".")[2]: given[n] for n in mine})),
        "child_assigned": (mine, lambda model, given: model.get_submodule(home).load_state_dict({n.rpartition(".")[2]: given[n] for n in mine}, assign=True)),
        "child_partial": ([first], lambda model, given: model.get_submodule(home).load_state_dict({leaf: given[first]}, strict=False)),
        "child_twice": (mine, lambda model, given: [model.get_submodule(home).load_state_dict({n.rpartition(".")[2]: given[n]}, strict=False) for n in mine]),
    }


@every_cell
@pytest.mark.parametrize("how", loads(cells.TwoLinears))
@pytest.mark.parametrize("same_values", [False, True])
def test_what_was_loaded_is_kept_and_the_rest_is_drawn(cls, how, same_values):
    names, load = loads(cls)[how]
    model, handle = pending(cls)
    given = donor(cls) if not same_values else {name: value.detach().clone() for name, value in bits(model).items()}
    load(model, given)
    hear(model)
    wanted = {**bits(eager(cls)), **{name: given[name] for name in names}}
    got = bits(model)
    shared = {name for name in got if cls in (cells.LinearPerGate, cells.WriteGated) and name.endswith("bias") and name.startswith("cell.")}
    assert not set(differing(got, wanted)) - (shared - set(names))
    assert not traces(model)
    for address, status in handle.status.items():
        if "bias" not in address:
            assert status == ("loaded" if address.partition("[")[0].partition(":")[0] in names else "written"), address


def test_a_loaded_partner_of_a_sum_is_kept_and_its_twin_is_drawn():
    model, _ = pending(cells.WriteGated)
    with torch.no_grad():
        model.cell.maps["x"].load_state_dict({"weight": torch.ones(2 * H, I), "bias": torch.full((2 * H,), 5.0)})
    hear(model)
    assert bool((model.cell.maps["x"].bias == 5.0).all()) and bool((model.cell.maps["h"].bias == 0.0).all())
    assert not traces(model)


def test_a_load_that_torch_refuses_brings_nothing():
    model, _ = pending()
    with pytest.raises(RuntimeError, match="size mismatch"):
        model.cell.input_map.load_state_dict({"weight": torch.zeros(3, 3), "bias": torch.zeros(4 * H)})
    assert bool((model.cell.input_map.bias == 0).all()), "torch copied this one before it raised"
    hear(model)
    assert bool((model.cell.input_map.bias == 0).all())
    assert not differing(*({k: v for k, v in bits(m).items() if k != "cell.input_map.bias"} for m in (model, eager())))


def no_grad(child):
    with torch.no_grad():
        child.weight.copy_(torch.full_like(child.weight, 3.0))


WRITES = {
    "data": lambda child: child.weight.data.fill_(3.0),
    "data_element": lambda child: child.weight.data.view(-1)[:1].fill_(3.0),
    "data_replaced": lambda child: setattr(child.weight, "data", torch.full_like(child.weight, 3.0)),
    "no_grad": no_grad,
    "numpy": lambda child: child.weight.detach().numpy().fill(3.0),
    "init": lambda child: nn.init.constant_(child.weight, 3.0),
    "detach": lambda child: child.weight.detach().fill_(3.0),
    "reset_parameters": lambda child: child.reset_parameters(),
    "new_parameter": lambda child: setattr(child, "weight", nn.Parameter(torch.full_like(child.weight, 3.0))),
    "registered": lambda child: child.register_parameter("weight", nn.Parameter(torch.full_like(child.weight, 3.0))),
    "same_values": lambda child: setattr(child, "weight", nn.Parameter(child.weight.detach().clone())),
}


@every_cell
@pytest.mark.parametrize("how", WRITES)
@pytest.mark.parametrize("settle", [hear, ri.materialize, lambda model: model.state_dict()], ids=["forward", "materialize", "state_dict"])
def test_what_somebody_wrote_into_a_child_is_kept_and_said(cls, how, settle):
    model, handle = pending(cls)
    home, child = next((n, c) for n, c in children(model.cell).items() if any(f"cell.{n}.weight" in address for address in handle.status))
    WRITES[how](child)
    theirs = child.weight.detach().clone()
    with pytest.warns(ri.RnnInitWarning, match="RNN115"):
        settle(model)
    assert torch.equal(model.cell.get_submodule(home).weight, theirs) and not traces(model)
    touched = {address for address, status in handle.status.items() if status == "touched"}
    assert {address.partition("[")[0].partition(":")[0] for address in touched} >= {f"cell.{home}.weight"}
    others = [name for name in differing(bits(model), bits(eager(cls))) if "bias" not in name]
    assert others == [f"cell.{home}.weight"]


def test_another_child_in_its_place_says_so_and_is_kept_where_it_was_really_replaced():
    model, _ = pending()
    theirs = nn.Linear(H, 4 * H, bias=False)
    before = theirs.weight.detach().clone()
    model.cell.recurrent_map = theirs
    with pytest.raises(ri.PendingInit, match="another tensor"):
        hear(model)
    with pytest.warns(ri.RnnInitWarning, match="RNN115"):
        ri.materialize(model)
    assert torch.equal(theirs.weight, before) and not traces(model)
    assert not [name for name in differing(bits(model), bits(eager())) if name != "cell.recurrent_map.weight"]


DEPARTED = {
    "weight_norm": lambda cell: parametrizations.weight_norm(cell.recurrent_map),
    "orthogonal": lambda cell: parametrizations.orthogonal(cell.recurrent_map),
    "removed": lambda cell: delattr(cell, "recurrent_map"),
    "resized": lambda cell: setattr(cell, "recurrent_map", nn.Linear(H + 1, 4 * H, bias=False)),
    "parameter_removed": lambda cell: delattr(cell.recurrent_map, "weight"),
    "gate_removed": lambda cell: setattr(cell.recurrent_map, "weight", nn.Parameter(torch.zeros(3 * H, H))),
}


@pytest.mark.parametrize("how", DEPARTED)
@pytest.mark.parametrize("settle", [hear, ri.materialize], ids=["forward", "materialize"])
def test_a_child_that_changed_its_shape_of_life_is_refused(how, settle):
    model, handle = pending()
    DEPARTED[how](model.cell)
    before = bits(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ri.RnnInitWarning)
        with pytest.raises((ri.PendingInit, RuntimeError)) as error:
            settle(model)
            hear(model)
    if isinstance(error.value, ri.PendingInit):
        assert not differing(bits(model), before)
    else:
        assert how == "resized", "torch itself refuses the shapes, after the rest was settled"
    handle.remove()
    assert not traces(model)


def test_functional_call_is_refused_and_nothing_is_written():
    model, _ = pending()
    strangers = {name: torch.ones_like(value) for name, value in model.named_parameters()}
    with pytest.raises(ri.PendingInit, match="functional_call"):
        torch.func.functional_call(model, strangers, (X,))
    untouched(model)
    assert all(bool((value == 1).all()) for value in strangers.values())
    hear(model)
    settled(model, eager())


def saved(model):
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


@every_cell
@pytest.mark.parametrize("copier", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model)), saved], ids=["deepcopy", "pickle", "saved"])
def test_copies_are_pending_by_themselves(cls, copier):
    model, handle = pending(cls)
    other = copier(model)
    of_copy = {id(part.__dict__[PENDING]) for part in other.modules() if PENDING in part.__dict__}
    assert all(id(part.__dict__[GUEST].ledger) in of_copy for part in other.modules() if GUEST in part.__dict__)
    hear(other)
    settled(other, eager(cls))
    untouched(model)
    assert handle.pending
    hear(model)
    settled(model, eager(cls))


@every_cell
@pytest.mark.parametrize("copier", [copy.deepcopy, saved], ids=["deepcopy", "saved"])
def test_what_a_copy_was_brought_stays_with_the_copy(cls, copier):
    model, _ = pending(cls)
    other = copier(model)
    _, child = next(iter(children(other.cell).items()))
    child.load_state_dict({name: torch.full_like(value, 3.0) for name, value in child._parameters.items() if value is not None})
    hear(other)
    assert bool((child.weight == 3.0).all())
    hear(model)
    settled(model, eager(cls))


def test_a_cell_copied_without_its_model_settles_alone():
    model, _ = pending()
    other = copy.deepcopy(model.cell)
    other(X, (torch.zeros(2, H), torch.zeros(2, H)))
    assert not differing(bits(other), bits(eager().cell)) and not traces(other)
    untouched(model)


@every_cell
@pytest.mark.parametrize("built", ["meta", "half_meta"])
def test_given_memory_it_equals_apply(cls, built):
    if built == "meta":
        with torch.device("meta"):
            model = cells.Model(cls)()
    else:
        model = cells.Model(cls)()
        home = next(iter(children(model.cell)))
        model.cell.get_submodule(home).to("meta")
    ri.attach(model, POLICY)
    with pytest.raises(ri.PendingInit):
        hear(model)
    assert any(p.is_meta for p in model.parameters()), "nothing was half done"
    child = next(child for child in model.cell.modules() if child._parameters)
    with pytest.raises(ri.PendingInit):
        ri.materialize(child, device="cpu")
    assert all(p.is_meta for p in child.parameters()), "a refused child is given no memory"
    ri.materialize(model, device="cpu")
    settled(model, eager(cls))


def test_what_was_loaded_into_a_child_on_meta_is_kept():
    with torch.device("meta"):
        model = cells.Model(cells.TwoLinears)()
    ri.attach(model, POLICY)
    theirs = torch.full((4 * H, H), 3.0)
    model.cell.recurrent_map.load_state_dict({"weight": theirs}, assign=True)
    ri.materialize(model, device="cpu")
    wanted = {**bits(eager()), "cell.recurrent_map.weight": theirs}
    assert not differing(bits(model), wanted) and not traces(model)


def test_undecided_halves_of_a_child_on_meta_are_filled_by_the_child():
    only = ri.loads("version: 1\nuntouched: allow\nrules:\n  - {id: r, match: {kind: recurrent}, init: {kind: orthogonal}}\n")
    with torch.device("meta"):
        model = cells.Model(cells.Concat)()
    ri.attach(model, only)
    torch.manual_seed(0)
    ri.materialize(model, device="cpu")
    weight = model.cell.gates.weight.detach()
    assert all(torch.allclose(b @ b.T, torch.eye(H), atol=1e-5) for b in weight[:, I:].chunk(4))
    assert 0 < weight[:, :I].abs().max() <= (I + H) ** -0.5, "the input's columns are as nn.Linear fills them"
    assert not traces(model)


@every_cell
def test_taking_it_back_leaves_children_free_and_as_they_were(cls):
    model, handle = pending(cls)
    handle.remove()
    handle.remove()
    settled(model, cells.Model(cls)())
    assert set(handle.status.values()) == {"untouched"}
    for child in children(model.cell).values():
        call_child(child)
        child.state_dict()


def test_a_second_attachment_from_above_takes_the_children_over():
    model = cells.Model(cells.TwoLinears)()
    first = ri.attach(model.cell, POLICY.model_copy(update={"rules": POLICY.rules[:-1]}))
    with pytest.raises(ri.PendingInit, match="another policy"):
        ri.attach(model, POLICY)
    first.remove()
    second = ri.attach(model, POLICY)
    assert second.pending and not first.pending
    hear(model)
    settled(model, eager())


def test_the_same_policy_from_above_gives_the_model_s_values():
    patient = POLICY.model_copy(update={"rules": POLICY.rules[:-1]})
    model = cells.Model(cells.TwoLinears)()
    ri.attach(model.cell, patient)
    handle = ri.attach(model, patient)
    model.cell.input_map.load_state_dict({"weight": torch.ones(4 * H, I), "bias": torch.zeros(4 * H)})
    hear(model)
    assert bool((model.cell.input_map.weight == 1).all()) and handle.status["cell.input_map.weight[forget]"] == "loaded"
    now = cells.Model(cells.TwoLinears)()
    ri.apply(now, patient)
    assert torch.equal(model.cell.recurrent_map.weight, now.cell.recurrent_map.weight) and not traces(model)


class Shared(nn.Module):
    """Two cells with one recurrent child."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = cells.TwoLinears(), cells.TwoLinears()
        self.two.recurrent_map = self.one.recurrent_map

    def forward(self, x):
        state = torch.zeros(2, H), torch.zeros(2, H)
        return self.two(self.one(x, state)[0][:, :I], state)[0]


@pytest.mark.parametrize("load", [False, True])
def test_a_child_of_two_cells_is_settled_once_and_what_was_loaded_is_kept(load):
    torch.manual_seed(0)
    model = Shared()
    now = copy.deepcopy(model)
    ri.apply(now, ri.loads(POLICY_WITHOUT_HEAD))
    ri.attach(model, ri.loads(POLICY_WITHOUT_HEAD))
    with pytest.raises(ri.PendingInit):
        model.one.recurrent_map(torch.zeros(1, H))
    if load:
        model.one.recurrent_map.load_state_dict({"weight": torch.full((4 * H, H), 3.0)})
        now.one.recurrent_map.weight.data.fill_(3.0)
    model(X)
    assert not differing(bits(model), bits(now)) and not traces(model)


POLICY_WITHOUT_HEAD = """
version: 1
untouched: allow
rules:
  - {id: ortho, match: {kind: recurrent}, init: {kind: orthogonal}}
  - {id: input, match: {kind: input}, init: {kind: xavier_uniform}}
  - {id: bias, match: {kind: bias}, init: {kind: zeros}}
"""


class Half(cells.TwoLinears):
    """A layout may claim a child's weight and leave its bias."""


def test_a_child_of_which_the_cell_claims_one_parameter_keeps_its_own_rule_for_the_other():
    weight = ri.Part("w", r"input_map\.weight", kind="input", order=Half.ORDER)
    name = f"{Half.__module__}.{Half.__qualname__}"
    rules = ri.loads(
        "version: 1\nuntouched: allow\nrules:\n  - {id: w, match: {kind: input}, init: {kind: xavier_uniform}}\n"
        "  - {id: b, match: {parameter: 'input_map.bias'}, init: {kind: constant, value: 0.5}}\n"
    )
    with cells.known(ri.Layout(name, (name,), (weight,))):
        later, now = cells.build(Half), cells.build(Half)
        handle = ri.attach(later, rules)
        ri.apply(now, rules)
        child = later.input_map
        assert PENDING in child.__dict__ and GUEST in child.__dict__ and handle.status["input_map.bias"] == "pending"
        for use in (call_child, lambda c: c.state_dict(), ri.materialize, lambda c: copy.deepcopy(c).state_dict()):
            with pytest.raises(ri.PendingInit, match="holds gates of the model"):
                use(child)
        assert not differing(bits(later), bits(cells.build(Half)))
        child.load_state_dict({"bias": torch.full((4 * H,), 9.0)}, strict=False)
        cells.step(later, torch.zeros(1, H))
        assert bool((child.bias == 9.0).all()) and torch.equal(child.weight, now.input_map.weight)
        assert handle.status["input_map.bias"] == "loaded" and not traces(later)


class LazyCell(cells.TwoLinears):
    """The width of the input is found out in the first forward."""

    def __init__(self) -> None:
        super().__init__()
        self.input_map = nn.LazyLinear(4 * H)


@pytest.mark.filterwarnings("ignore:.*RNN1")
@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_a_lazy_child_is_refused_until_it_has_a_shape():
    parts = cells.LAYOUTS[cells.TwoLinears].parts
    name = f"{LazyCell.__module__}.{LazyCell.__qualname__}"
    rules = ri.loads(POLICY_WITHOUT_HEAD)
    with cells.known(ri.Layout(name, (name,), parts, polarity={"forget": 1}, constant={"forget": 1.0}, size="hidden_size")):
        later = cells.build(LazyCell)
        with pytest.raises(ri.PolicyError, match=r"input_map.weight.*one forward first"):
            ri.attach(later, rules)
        assert not [trace for trace in traces(later) if "_load_state_dict" not in trace]
        cells.step(later, torch.zeros(1, H))
        now = copy.deepcopy(later)
        ri.attach(later, rules)
        cells.step(later, torch.zeros(1, H))
        ri.apply(now, rules)
        assert not differing(bits(later), bits(now)) and not traces(later)


DEEDS = ("load_child", "write_child", "child_called", "child_state", "copy", "pickle", "cast", "cell_state")


@settings(max_examples=40)
@given(cls=st.sampled_from(NESTED), deeds=st.lists(st.sampled_from(DEEDS), max_size=5), last=st.sampled_from(("forward", "materialize", "state")))
def test_whatever_happens_in_whatever_order_deferred_equals_eager(cls, deeds, last):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ri.RnnInitWarning)
        later, now = _lived(pending(cls)[0], deeds), _lived(eager(cls), deeds)
        {"forward": hear_as_is, "materialize": ri.materialize, "state": lambda model: model.state_dict()}[last](later)
    names = [n for n in differing(bits(later), bits(now)) if not (n.startswith("cell.") and n.endswith("bias"))]
    assert not names and not traces(later)


def hear_as_is(model: nn.Module) -> None:
    dtype = next(model.parameters()).dtype
    x = torch.zeros(2, I, 3, 3) if isinstance(model.cell, cells.Convolved) else X
    model(x.to(dtype))


def _lived(model: nn.Module, deeds: list[str]) -> nn.Module:
    for deed in deeds:
        child = next(iter(children(model.cell).values()))
        if deed == "load_child":
            child.load_state_dict({name: torch.full_like(p, 2.0) for name, p in child._parameters.items() if p is not None})
        elif deed == "write_child":
            child.weight.data.fill_(4.0)
        elif deed in ("child_called", "child_state"):
            guest = guests.guest_of(child) is not None
            try:
                call_child(child.float()) if deed == "child_called" else child.state_dict()
                assert not guest, "a pending child was used without a word"
            except ri.PendingInit:
                assert guest
        elif deed == "cast":
            model = model.double().float()
        elif deed == "cell_state":
            model.cell.state_dict()
        else:
            model = copy.deepcopy(model) if deed == "copy" else saved(model)
    return model

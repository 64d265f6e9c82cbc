"""What a layout claims is cut exactly: every element once, fans and laws per gate, biases as the gate feels them."""

from __future__ import annotations

import math
from collections import defaultdict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import rnninit_hooks as ri
from rnninit_hooks.dissection import dissect
from rnninit_hooks.slots import Slot
from tests.layouts import cells
from tests.layouts.cells import CELLS, LAYOUTS, NESTED, H, I

RULES = """
version: 1
rules:
  - {id: ortho, match: {kind: recurrent}, init: {kind: orthogonal, gain: 1.5}}
  - {id: input, match: {kind: input}, init: {kind: xavier_uniform}}
  - {id: bias, match: {kind: bias}, init: {kind: zeros}}
"""
every_cell = pytest.mark.parametrize("cls", CELLS, ids=lambda cls: cls.__name__)
MATRICES = tuple(cls for cls in CELLS if cls is not cells.Convolved)


@pytest.fixture(autouse=True)
def registered():
    with cells.known():
        yield


def policy(*rules: str) -> ri.Policy:
    return ri.loads(RULES + "".join(f"  - {rule}\n" for rule in rules))


def alone(rule: str) -> ri.Policy:
    return ri.loads(f"version: 1\nuntouched: allow\nrules:\n  - {rule}\n")


def painted(model: nn.Module) -> dict[str, torch.Tensor]:
    """How often each element of each parameter is part of a slot."""
    counts = {name: torch.zeros(p.shape, dtype=torch.int64) for name, p in model.named_parameters()}
    for slot in dissect(model).slots:
        for piece in slot.pieces:
            view = piece.view(counts[piece.member.name])
            view += 1
    return counts


@every_cell
def test_every_element_of_every_parameter_belongs_to_exactly_one_slot(cls):
    model = cells.Model(cls)()
    assert all(bool((count == 1).all()) for count in painted(model).values())
    slots = dissect(model).slots
    assert len({slot.address for slot in slots}) == len(slots) and not dissect(model).findings
    assert {slot.gate for slot in slots if slot.name.startswith("cell.")} == set(LAYOUTS[cls].gates)
    assert len(slots) > len(list(model.parameters())) or cls is cells.LinearPerGate


@every_cell
def test_a_slot_leads_to_its_parameter_and_back(cls):
    model = cells.Model(cls)()
    whose = defaultdict(set)
    for slot in dissect(model).slots:
        for piece in slot.pieces:
            piece.view(model.get_parameter(piece.member.name).data).fill_(float(len(whose)))
            assert bool((piece.view(piece.member.read()) == len(whose)).all()) and piece.member.owner._parameters[piece.member.leaf] is model.get_parameter(piece.member.name)
            whose[slot.address, piece.partner] = {piece.member.name}
    values = torch.cat([p.detach().flatten() for p in model.parameters()])
    assert sorted(set(values.tolist())) == [float(k) for k in range(len(whose))], "no slot wrote over another's elements"


def raw_gate(cls: type[nn.Module], model: nn.Module, gate: str) -> torch.Tensor:
    """The recurrent block of one gate, taken out of the raw tensor by hand, `W @ h`."""
    index, state = {g: k for k, g in enumerate(LAYOUTS[cls].gates)}[gate], dict(model.cell.named_parameters())
    if cls is cells.Interleaved:
        return state["recurrent_kernel"].detach()[:, index::4].T
    if cls is cells.ResetAfter:
        return state["recurrent_kernel"].detach()[:, index * H : index * H + H].T
    if cls is cells.LinearPerGate:
        return state[f"h_{gate}.weight"].detach()
    if cls is cells.Unequal:
        start = {"input": 0, "forget": H, "cell": H + 2, "output": 2 * H + 2}[gate]
        return state["wh"].detach()[start : start + (2 if gate == "forget" else H)]
    if cls is cells.Concat:
        return state["gates.weight"].detach()[index * H : index * H + H, I:]
    name = {cells.TwoLinears: "recurrent_map.weight", cells.Subtracted: "wh", cells.WriteGated: "maps.h.weight"}[cls]
    return state[name].detach()[index * H : index * H + H]


@pytest.mark.parametrize("cls", MATRICES, ids=lambda cls: cls.__name__)
def test_each_gate_s_recurrent_block_is_orthogonal_in_the_raw_tensor(cls):
    model = cells.Model(cls)()
    rules = ri.loads(RULES.replace("rules:", "untouched: allow\nrules:"))
    ri.apply(model, rules)
    for gate in LAYOUTS[cls].gates:
        block = raw_gate(cls, model, gate)
        assert torch.allclose(block @ block.T, 2.25 * torch.eye(len(block)), atol=1e-5), gate
    report = ri.check(model, rules)
    assert report.ok, str(report)
    with torch.no_grad():
        dict(model.cell.named_parameters())[_some_recurrent(model)].mul_(1.01)
    assert not ri.check(model, rules).ok


def _some_recurrent(model: nn.Module) -> str:
    return next(slot.member.local for slot in dissect(model).slots if slot.kind == "recurrent")


@every_cell
def test_fans_are_those_of_the_gate_and_its_source(cls):
    kernel = 9 if cls is cells.Convolved else 1
    for slot in (s for s in dissect(cells.Model(cls)()).slots if s.kind in ("input", "recurrent")):
        rows = cells.GROUPS if cls is cells.Unequal and slot.gate == "forget" else H
        columns = I if slot.kind == "input" else H
        assert (slot.block.fan_in, slot.block.fan_out) == (columns * kernel, rows * kernel), slot.address
        assert slot.block.shape[:2] == (rows, columns)


@every_cell
def test_a_recipe_by_fans_draws_what_the_block_allows(cls):
    model = cells.Model(cls)()
    ri.apply(model, alone("{id: i, match: {kind: input}, init: {kind: xavier_uniform}}"))
    kernel = 9 if cls is cells.Convolved else 1
    for slot in (s for s in dissect(model).slots if s.kind == "input"):
        out, into = slot.block.shape[:2]
        bound = math.sqrt(6 / ((into + out) * kernel))
        assert 0.5 * bound < slot.value().abs().max() <= bound


@given(value=st.floats(-4, 4, allow_nan=False, width=32), place=st.sampled_from(("ih", "hh", "split")), which=st.sampled_from(CELLS))
def test_the_effective_bias_is_exact_wherever_it_is_placed(value, place, which):
    model = cells.Model(which)()
    ri.apply(model, alone(f"{{id: b, match: {{kind: bias}}, place: {place}, init: {{kind: constant, value: {value}}}}}"))
    for slot in (s for s in dissect(model).slots if s.kind == "bias"):
        assert torch.allclose(slot.value(), torch.full(slot.shape, value, dtype=torch.float64), atol=1e-6)
        if len(slot.pieces) > 1:
            filled = {piece.partner for piece in slot.pieces if bool((piece.view(piece.member.read()) != 0).any())}
            expected = {"ih", "hh"} if place == "split" else {place}
            assert filled == (expected if abs(value - slot.constant) > 0 else set())


def feels(model: nn.Module, cls: type[nn.Module]) -> torch.Tensor:
    """What the forget gate feels at zero input, by hand from the raw tensors."""
    state = {name: p.detach() for name, p in model.cell.named_parameters()}
    return {
        cells.TwoLinears: lambda: state["input_map.bias"][2 * H : 3 * H] + 1,
        cells.Subtracted: lambda: state["bx"][H : 2 * H] - state["bh"][H : 2 * H] - 0.5,
        cells.Interleaved: lambda: state["bias"][::4],
        cells.ResetAfter: lambda: state["bias"][:, :H].sum(0),
        cells.LinearPerGate: lambda: state["x_forget.bias"] + state["h_forget.bias"],
        cells.WriteGated: lambda: state["maps.x.bias"][:H] + state["maps.h.bias"][:H],
        cells.Unequal: lambda: state["bias"][H : H + cells.GROUPS],
        cells.Concat: lambda: state["gates.bias"][H : 2 * H],
        cells.Convolved: lambda: state["conv.bias"][H : 2 * H],
    }[cls]()


@pytest.mark.parametrize("place", ["ih", "hh", "split"])
@every_cell
def test_the_gate_that_keeps_feels_the_value_in_the_raw_tensors(cls, place):
    model = cells.Model(cls)()
    ri.apply(model, alone(f"{{id: b, match: {{kind: bias, gate: retain}}, place: {place}, init: {{kind: constant, value: 2.0}}}}"))
    assert feels(model, cls).unique().tolist() == [2.0]


@every_cell
def test_a_literal_rule_writes_exactly_the_raw_parameter(cls):
    model = cells.Model(cls)()
    name = {cells.Subtracted: "bh", cells.WriteGated: "maps.h.bias", cells.LinearPerGate: "h_forget.bias"}.get(cls, "bias")
    rules = alone(f"{{id: b, match: {{parameter: 'cell.*{name}$'}}, literal: true, init: {{kind: constant, value: 2.0}}}}")
    report = ri.apply(model, rules)
    written = [p for key, p in model.cell.named_parameters() if key.endswith(name)]
    assert written and all(bool((p == 2.0).all()) for p in written)
    addresses = [row.address for row in report.rows]
    assert len(addresses) == len(set(addresses)) and ri.check(model, rules).ok
    later = cells.Model(cls)()
    ri.attach(later, rules)
    ri.materialize(later)
    assert all(torch.equal(a, b) for a, b in zip(later.parameters(), model.parameters(), strict=True))


def test_a_literal_rule_about_one_partner_leaves_the_other_to_the_rule_about_the_sum():
    model = cells.Model(cells.Subtracted)()
    sum_rule = "{id: sum, match: {kind: bias}, place: hh, init: {kind: constant, value: 3.0}}"
    ri.apply(model, alone(f"{sum_rule}\n  - {{id: b, match: {{parameter: 'bx$'}}, literal: true, init: {{kind: zeros}}}}"))
    assert bool((model.cell.bx == 0).all())
    assert model.cell.bh.detach().tolist() == [-3.0] * H + [-3.5] * H + [-3.0] * (2 * H), "bh is subtracted; forget loses a half in forward"


def test_a_whole_literal_rule_fills_every_row_of_a_bias_of_two_rows():
    model = cells.Model(cells.ResetAfter)()
    rules = alone("{id: b, match: {parameter: 'cell.bias$'}, whole: true, literal: true, init: {kind: normal, std: 1.0}}")
    ri.apply(model, rules)
    assert bool((model.cell.bias != 0).all()) and len(model.cell.bias.unique()) == 6 * H
    assert ri.check(model, rules).ok


def without_weights(model: nn.Module) -> nn.Module:
    """Only the biases speak."""
    with torch.no_grad():
        for slot in dissect(model).slots:
            if slot.kind in ("input", "recurrent"):
                slot.pieces[0].view(model.get_parameter(slot.member.name)).zero_()
    return model


class Torch(nn.Module):
    """A torch module with the cells' way of being called."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell = cell


def torch_step(cell: nn.Module, state: torch.Tensor) -> torch.Tensor:
    x = torch.zeros(1, I)
    return cell(x, (torch.zeros_like(state), state))[1] if isinstance(cell, nn.LSTMCell) else cell(x, state)


@pytest.mark.parametrize(("recipe", "share"), [("{kind: retention, value: 0.9}", 0.9), ("{kind: timescale, steps: 20.0}", 0.95)])
@pytest.mark.parametrize("cls", [*CELLS, nn.LSTMCell, nn.GRUCell], ids=lambda cls: cls.__name__)
def test_one_rule_gives_every_cell_the_same_memory(cls, recipe, share):
    rule = f"{{id: keep, match: {{kind: bias, gate: retain}}, init: {recipe}}}"
    rules = ri.loads(RULES.replace("rules:", "untouched: allow\nrules:") + f"  - {rule}\n")
    model = Torch(cls(I, H)) if cls in (nn.LSTMCell, nn.GRUCell) else cells.Model(cls)()
    ri.apply(model, rules)
    assert ri.check(model, rules).ok, str(ri.check(model, rules))
    cell = without_weights(model).cell
    if isinstance(model, Torch):
        measured = cells.kept(lambda state: torch_step(cell, state), torch.rand(1, H) + 0.5)
    else:
        measured = cells.retention(cell)
    assert torch.allclose(measured, torch.full_like(measured, share), atol=1e-6)


def by_hand(cls: type[nn.Module], model: nn.Module) -> torch.Tensor:
    """The whole recurrent matrix (out, in), all gates."""
    if cls is cells.Interleaved:
        return model.cell.recurrent_kernel.detach().T
    return model.cell.gates.weight.detach()[:, I:] if cls is cells.Concat else model.cell.recurrent_map.weight.detach()


@pytest.mark.parametrize("cls", [cells.Interleaved, cells.Concat, cells.TwoLinears], ids=lambda cls: cls.__name__)
def test_whole_speaks_of_the_fused_matrix_of_one_source(cls):
    model = cells.Model(cls)()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    rules = alone("{id: r, match: {kind: recurrent}, whole: true, init: {kind: orthogonal}}")
    ri.apply(model, rules)
    stack = by_hand(cls, model)
    assert stack.shape == (4 * H, H) and torch.allclose(stack.T @ stack, torch.eye(H), atol=1e-5)
    assert not torch.allclose(stack[:H] @ stack[:H].T, torch.eye(H), atol=1e-2), "no single gate is orthogonal"
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert len(changed) == 1 and ri.check(model, rules).ok
    if cls is cells.Concat:
        assert torch.equal(model.cell.gates.weight[:, :I], before["cell.gates.weight"][:, :I])
    gate_wise = alone("{id: r, match: {kind: recurrent}, init: {kind: orthogonal}}")
    assert {finding.code for finding in ri.check(model, gate_wise).findings} >= {"RNN203"}


def facts(report: ri.Report) -> list[tuple[object, ...]]:
    return [(row.address, row.status, row.rule, row.recipe, row.shape, row.gate, row.kind) for row in report.rows]


@every_cell
def test_a_model_without_memory_is_planned_like_a_real_one(cls):
    rules = ri.loads(RULES.replace("rules:", "untouched: allow\nrules:"))
    with torch.device("meta"):
        bare = cells.Net(cls())
    assert facts(ri.plan(bare, rules)) == facts(ri.plan(cells.Model(cls)(), rules)) and ri.plan(bare, rules).rows
    with pytest.raises(ri.PolicyError, match="RNN113"):
        ri.apply(bare, rules)


@pytest.mark.parametrize("cls", NESTED, ids=lambda cls: cls.__name__)
def test_children_have_no_slots_of_their_own_beside_the_cell_s(cls):
    for slot in dissect(cells.Model(cls)()).slots:
        holder = slot.organ.path
        assert (holder == "cell") == slot.name.startswith("cell."), slot.address


def slot_of(model: nn.Module, address: str) -> Slot:
    return next(slot for slot in dissect(model).slots if slot.address == address)


def test_the_names_of_columns_can_be_said_in_a_rule_and_found_in_a_report():
    model = cells.Model(cells.Concat)()
    assert slot_of(model, "cell.gates.weight:recurrent[forget]").shape == (H, H)
    report = ri.apply(model, policy("{id: f, match: {kind: recurrent, gate: forget}, init: {kind: zeros}}", "{id: head, match: {parameter: head}, init: {kind: zeros}}"))
    row = next(row for row in report.rows if row.address == "cell.gates.weight:recurrent[forget]")
    assert row.rule == "f" and bool((raw_gate(cells.Concat, model, "forget") == 0).all())


class Gap(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(2, 3 * H))


@pytest.mark.parametrize("rows", [(0,), (0, 0), (1,)])
def test_a_layout_that_leaves_elements_out_or_takes_them_twice_does_not_fit(rows):
    parts = tuple(ri.Part(f"b{k}", "bias", kind="bias", order=("update", "reset", "new"), axis=1, fixed=((0, row),)) for k, row in enumerate(rows))
    name = f"{Gap.__module__}.{Gap.__qualname__}"
    with cells.known(ri.Layout(name, (name,), parts)):
        found = dissect(Gap())
    assert [finding.code for finding in found.findings] == ["RNN112"] and "bias" in found.findings[0].message
    assert [slot.address for slot in found.slots] == ["bias"]

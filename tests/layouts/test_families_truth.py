"""The families' layouts are true: every block is pushed in float64 and does what its gate's name says, no prober asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import rnninit_hooks as ri
from tests.layouts.families.table import FAMILIES, Family

SIZE, HIDDEN, PUSH, NUDGE = 5, 6, 30.0, 1e-4
KEEPERS = ("forget", "update")
MASTERS = ("master_input", "master_forget")  # whose effect has no fixed direction by itself
GATED = [family for family in FAMILIES if family.layout.polarity]
BY_NAME = {family.name: family for family in FAMILIES}
EACH = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
EACH_GATED = pytest.mark.parametrize("family", GATED, ids=lambda family: family.name)


def blank(family: Family) -> nn.Module:
    """Float64, in eval mode, all parameters zero except gains of norms and projections, which are one."""
    module = family.build(SIZE, HIDDEN).double().eval()
    gains = {f"{name}.weight" for name, child in module.named_modules() if isinstance(child, (nn.LayerNorm, nn.BatchNorm1d))}
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            shown = [part for part in family.layout.parts if part.match(name)]
            one = name in gains or "gamma" in name or any(part.kind == "projection" for part in shown)
            parameter.fill_(1.0 if one else 0.0)
    return module


def extent(module: nn.Module, size: int | str) -> int:
    return size if isinstance(size, int) else int(getattr(module, size))


def rows(module: nn.Module, part: ri.Part, gate: str, total: int) -> list[int]:
    """Indices of a gate along the part's axis."""
    place, count = part.order.index(gate), len(part.order)
    if part.interleaved:
        return list(range(place, total, count))
    sizes = [extent(module, size) for size in part.sizes] or [total // count] * count
    assert sum(sizes) == total, f"{part.name}: blocks {sizes} do not fill {total}"
    return list(range(sum(sizes[:place]), sum(sizes[: place + 1])))


def starts(module: nn.Module, part: ri.Part, total: int) -> dict[str | None, int]:
    """The first column of every source."""
    if not part.columns:
        return {part.kind: 0}
    known = [0 if size is None else extent(module, size) for _, size in part.columns]
    sizes = [total - sum(known) if size is None else extent(module, size) for _, size in part.columns]
    return {kind: sum(sizes[:k]) for k, (kind, _) in enumerate(part.columns)}


def sources(part: ri.Part) -> list[str]:
    """Through what a gate of this part can be pushed."""
    named = [kind for kind, _ in part.columns] or [part.kind]
    return [kind for kind in named if kind in ("bias", "peephole", "input", "recurrent")]


def spot(module: nn.Module, part: ri.Part, gate: str, source: str, tensor: Tensor) -> tuple[object, ...]:
    """Index of a bias's block, or of the first column that a source has in it."""
    where: list[object] = [slice(None)] * tensor.ndim
    for axis, index in part.fixed:
        where[axis] = index
    if source in ("input", "recurrent") and tensor.ndim > 1:
        other = 1 - part.axis
        where[other] = starts(module, part, tensor.shape[other])[source]
    where[part.axis] = rows(module, part, gate, tensor.shape[part.axis])
    return tuple(where)


def pushed(module: nn.Module, part: ri.Part, gate: str, source: str, value: float) -> None:
    """Write a value where it feeds one gate; the sign of the part is taken along."""
    found = [parameter for name, parameter in module.named_parameters() if part.match(name)]
    assert found, f"no parameter is a {part.name}"
    with torch.no_grad():
        for parameter in found:
            parameter[spot(module, part, gate, source, parameter)] = part.sign * value


def _door(family: Family, gate: str) -> tuple[ri.Part, str, str]:
    """The simplest way to push a gate: its bias, or else the first column of the input."""
    ways = [(part, gate, source) for part in family.layout.parts if gate in part.order for source in sources(part)]
    return min(ways, key=lambda way: ("bias", "input", "recurrent", "peephole").index(way[2]))


Given = tuple[Tensor, ...]


def given(family: Family, source: str, *, empty: bool = False) -> Given:
    """Input and states: only the first entry of what a block reads is 1, so that a wrong column finds nothing.

    The memory is all ones, or zero where it is also what columns read and the gate can be seen without it.
    """
    x, *before, memory = (torch.zeros(2, width, dtype=torch.float64) for width in (SIZE, *family.call.widths(HIDDEN)))
    for vector, use in ((x, source not in ("recurrent", "peephole")), *((one, source == "recurrent") for one in before)):
        vector[:, 0] = float(use)
    return (x, *before, memory if empty else memory + 1.0)


def ran(family: Family, module: nn.Module, values: Given) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        return family.call(module, values[0], values[1:])


def kept(family: Family, module: nn.Module, values: Given) -> Tensor:
    """ds'/ds of every unit's memory, by central differences; the first unit is left out, as matrices read it."""
    *before, memory = values
    slopes = []
    for unit in range(1, memory.shape[1]):
        nudge = torch.zeros_like(memory)
        nudge[:, unit] = NUDGE
        up, down = (ran(family, module, (*before, memory + sign * nudge))[1] for sign in (1, -1))
        slopes.append((up - down)[:, unit] / (2 * NUDGE))
    return torch.stack(slopes, 1)


@EACH_GATED
def test_nothing_pushed_keeps_what_the_constant_says(family):
    ((gate, polarity),) = family.layout.polarity.items()
    logit = torch.tensor(polarity * family.layout.constant.get(gate, 0.0), dtype=torch.float64)
    found = kept(family, blank(family), given(family, "bias"))
    torch.testing.assert_close(found, torch.sigmoid(logit).expand_as(found), rtol=0, atol=1e-7)


@EACH_GATED
@pytest.mark.parametrize("target", [1.0, 0.0])
def test_the_retain_gate_keeps_all_or_nothing(family, target):
    ((gate, polarity),) = family.layout.polarity.items()
    module, way = blank(family), _door(family, gate)
    pushed(module, *way, polarity * (PUSH if target else -PUSH))
    found = kept(family, module, given(family, way[2]))
    torch.testing.assert_close(found, torch.full_like(found, target), rtol=0, atol=1e-7)


def memory_of(family: Family, module: nn.Module, values: Given) -> Tensor:
    return ran(family, module, values)[1][:, 1:]


def written(family: Family, module: nn.Module, values: Given) -> Tensor:
    """The memory, while the candidate is as large as it gets."""
    gate = next(name for name in ("cell", "new") if name in family.layout.gates)
    pushed(module, *_door(family, gate), PUSH)
    return memory_of(family, module, values)


def reminded(family: Family, module: nn.Module, values: Given) -> Tensor:
    """The memory, while the candidate sees the state unit by unit, so that reset has something to let through."""
    for part in family.layout.parts:
        if "new" in part.order and "recurrent" in sources(part):
            for name, parameter in module.named_parameters():
                if part.match(name):
                    _identity(module, part, parameter)
    return memory_of(family, module, values)


def _identity(module: nn.Module, part: ri.Part, parameter: Tensor) -> None:
    other = 1 - part.axis
    begin = starts(module, part, parameter.shape[other])["recurrent"]
    with torch.no_grad():
        for unit, row in enumerate(rows(module, part, "new", parameter.shape[part.axis])):
            where = [row, begin + unit] if part.axis == 0 else [begin + unit, row]
            parameter[(*where, *[size // 2 for size in parameter.shape[2:]])] = 1.0


def given_out(family: Family, module: nn.Module, values: Given) -> Tensor:
    """How large the output is, with memories that differ, so that a norm of them is not zero."""
    *before, memory = values
    varied = memory * torch.linspace(0.5, 2.0, memory.shape[1], dtype=torch.float64)
    return ran(family, module, (*before, varied))[0].abs()


def beside_a_carry(family: Family, module: nn.Module, values: Given) -> Tensor:
    """The output, while what a highway carries is large: open, the highway lets less of it through."""
    pushed(module, *_door(family, "carry"), PUSH)
    return given_out(family, module, (given(family, "input")[0], *values[1:]))


def carried(family: Family, module: nn.Module, values: Given) -> Tensor:
    """The output where the memory has nothing to give."""
    return ran(family, module, (*values[:-1], torch.zeros_like(values[-1])))[0]


MEASURES: dict[str, Callable[[Family, nn.Module, Given], Tensor]] = {
    **dict.fromkeys(KEEPERS, kept),
    **dict.fromkeys(("cell", "new", "hidden"), memory_of),
    "input": written, "reset": reminded, "carry": carried,
    "output": lambda family, *seen: (beside_a_carry if "carry" in family.layout.gates else given_out)(family, *seen),
    "highway": lambda *seen: -beside_a_carry(*seen),
}  # fmt: skip
WAYS = [
    pytest.param(family, part, gate, source, id=f"{family.name}-{part.name}-{source}[{gate}]")
    for family in FAMILIES for part in family.layout.parts for gate in part.order if gate not in MASTERS for source in sources(part)
]  # fmt: skip


def gains(family: Family, part: ri.Part, gate: str, source: str) -> float:
    """How much more a gate does when pushed open than when pushed shut, through one block of one parameter, in any unit.

    Units of ordered neurons differ by design (the masters leave some of them no choice), so there it is the mean.
    """
    seen_without = gate in (*KEEPERS, "cell", "new", "input")
    values, found = given(family, source, empty=source == "input" and family.call.states == 1 and seen_without), []
    for value in (-PUSH, PUSH):
        module = blank(family)
        pushed(module, part, gate, source, value)
        found.append(MEASURES[gate](family, module, values))
    sign = family.layout.polarity.get(gate, 1) if gate in KEEPERS else 1
    gain = (found[1] - found[0]) * sign
    return float(gain.mean() if set(MASTERS) & set(family.layout.gates) else gain.min())


@pytest.mark.parametrize(("family", "part", "gate", "source"), WAYS)
def test_every_block_of_every_parameter_does_what_its_gate_does(family, part, gate, source):
    assert gains(family, part, gate, source) > 0.1


def moved(family: Family, gate: str) -> float:
    """By how much the step changes when a gate's bias goes from one partner to another, at random weights."""
    torch.manual_seed(0)
    module = family.build(SIZE, HIDDEN).double().eval()
    values = tuple(torch.randn_like(value) for value in given(family, "bias"))
    partners = [part for part in family.layout.parts if part.partner and gate in part.order]
    before = torch.cat(ran(family, module, values), 1)
    for part, shift in zip(partners, (1.0, -1.0), strict=False):
        for parameter in (parameter for name, parameter in module.named_parameters() if part.match(name)):
            parameter.data[spot(module, part, gate, "bias", parameter)] += part.sign * shift
    return float((torch.cat(ran(family, module, values), 1) - before).abs().max())


@EACH
def test_partners_may_be_exchanged_unless_they_are_separate(family):
    parts = family.layout.parts
    paired = [gate for gate in family.layout.gates if sum(bool(part.partner) and gate in part.order for part in parts) > 1]
    assert {gate for gate in paired if moved(family, gate) > 1e-3} == set(family.layout.separate)
    assert all(moved(family, gate) < 1e-12 for gate in set(paired) - set(family.layout.separate))


@EACH
def test_matrices_are_turned_where_their_gates_are_columns(family):
    module = family.build(SIZE, HIDDEN)
    matrices = [part for part in family.layout.parts if {"input", "recurrent"} & set(sources(part))]
    flat = {part.name for part in matrices for name, one in module.named_parameters() if part.match(name) and one.ndim == 1}
    assert [part.name for part in matrices if part.name not in flat and part.transposed != (part.axis == 1)] == []


def level(family: Family, part: ri.Part, gate: str, source: str) -> nn.Module:
    """Push the last level of a master gate alone: all of them together would change nothing."""
    module = blank(family)
    for name, parameter in module.named_parameters():
        if part.match(name):
            place = spot(module, part, gate, source, parameter)
            parameter.data[(place[0][-1:], *place[1:])] = PUSH  # type: ignore[index]
    return module


@pytest.mark.parametrize("part", BY_NAME["OrderedNeurons"].layout.parts, ids=lambda part: part.name)
def test_master_gates_open_and_shut_the_levels_before_the_last(part):
    family = BY_NAME["OrderedNeurons"]
    (source,), last = sources(part), HIDDEN - 2
    values = given(family, source)
    torch.testing.assert_close(kept(family, level(family, part, "master_forget", source), values)[:, : last - 1], torch.zeros(2, last - 1).double())
    module, values = level(family, part, "master_input", source), (*values[:-1], torch.zeros_like(values[-1]))
    pushed(module, *_door(family, "input"), PUSH)
    torch.testing.assert_close(written(family, module, values)[:, : last - 1], torch.ones(2, last - 1).double())


@EACH
def test_every_parameter_has_a_part_or_is_named_loose(family):
    module = family.build(SIZE, HIDDEN)
    names = [name for name, _ in module.named_parameters()]
    bare = [name for name in names if not any(part.match(name) for part in family.layout.parts)]
    assert sorted(bare) == sorted(family.loose)
    assert [part.name for part in family.layout.parts if not any(part.match(name) for name in names)] == []
    assert family.note or (family.infer and not family.loose), "loose parameters, and what no prober finds, need a reason"


@EACH
def test_a_step_runs_and_the_class_is_the_one_named(family):
    module = family.build(SIZE, HIDDEN)
    seen, memory = family.step(module, SIZE)
    assert seen.shape == (2, HIDDEN) and memory.shape == (2, family.call.widths(HIDDEN)[-1]) and bool(memory.isfinite().all())
    assert family.layout.classes == (f"{type(module).__module__}.{type(module).__qualname__}",)
    assert family.layout.size is None or int(getattr(module, family.layout.size)) == family.call.widths(HIDDEN)[-1]


def test_names_are_unique_and_there_is_every_kind_of_family():
    assert len(BY_NAME) == len(FAMILIES) >= 55
    assert {family.infer for family in FAMILIES} == {True, False} and {part.sign for family in FAMILIES for part in family.layout.parts} == {1, -1}


@pytest.mark.parametrize("name", ["X2HLSTM", "HasteLSTM", "ZippedGRU", "ConvGRUCell", "SharedForget", "AugmentedLSTMCell"])
def test_two_gates_that_change_places_are_found_in_every_part(name):
    family = BY_NAME[name]
    fused = [part for part in family.layout.parts if len(part.order) > 1 and sources(part)]
    assert fused
    for part in fused:
        wrong = replace(part, order=(part.order[1], part.order[0], *part.order[2:]))
        assert min(_effect(family, wrong, gate) for gate in wrong.order) < 0.1, part.name


def _effect(family: Family, part: ri.Part, gate: str) -> float:
    return min(gains(family, part, gate, source) for source in sources(part))


@pytest.mark.parametrize("change", [{"interleaved": True}, {"columns": (("recurrent", "hidden_size"), ("input", None))}])
def test_other_wrong_facts_are_found(change):
    family = BY_NAME["ConcatInputFirst"]
    part = replace(family.layout.parts[0], **change)
    assert min(_effect(family, part, gate) for gate in part.order) < 0.1


def test_a_wrong_sign_is_found():
    family = BY_NAME["Subtracted"]
    part = next(part for part in family.layout.parts if part.kind == "bias")
    assert max(_effect(family, replace(part, sign=1), gate) for gate in part.order) < -0.1

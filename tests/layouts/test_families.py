"""Every family: its layout holds, wrong ones do not, and inference agrees or says why not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import rnninit_hooks as ri
from rnninit_hooks.anatomy import organ
from rnninit_hooks.dissection import dissect_organ
from rnninit_hooks.probing.inferring import infer
from tests.layouts.families import Family
from tests.layouts.families.table import FAMILIES as TABLE
from tests.layouts.test_verify import codes, shifted, swapped
from tests.layouts.test_verify import turned as flipped

DECLINED = {
    "PeepholeConvLSTM": "its peepholes have the size of the image",
    "LayerNormKernelLSTM": "two norms follow one weight",
    "LayerNormLiGRU": "half of its rows sleep behind a rectifier, and a norm hides the others",
    "AugmentedLSTMCell": "two more blocks decide what is given out",
}
FAMILIES = [Family(one.build, one.layout, one.infer and one.name not in DECLINED, DECLINED.get(one.name, one.note)) for one in TABLE]
EACH = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
SIZE, HIDDEN = 5, 6


def made(family: Family) -> torch.nn.Module:
    torch.manual_seed(0)
    return family.cell(SIZE, HIDDEN)


def cuts(module: torch.nn.Module, layout: ri.Layout) -> dict[tuple[object, ...], str | None]:
    """(parameter, region) -> gate, of everything that a layout gives a gate."""
    slots = dissect_organ(organ(module, "", layout=layout), layout).slots
    return {(p.member.name, p.region, p.sign, s.kind, s.transposed): s.gate for s in slots for p in s.pieces if s.gate}


@EACH
def test_its_layout_holds(family):
    assert not [finding for finding in ri.verify_layout(made(family), family.layout) if finding.code != "RNN116"]


@EACH
def test_wrong_layouts_do_not(family):
    module, layout = made(family), family.layout
    if family.found and layout.polarity:
        wrong = [flipped(layout), shifted(layout)] if any(part.kind == "bias" for part in layout.parts) else [flipped(layout)]
        wrong += [swapped(layout)] if any(len(part.order) > 1 for part in layout.parts) else []
        for one in wrong:
            assert "RNN107" in codes(ri.verify_layout(module, one))


@EACH
def test_inference_agrees_or_declines(family):
    module = made(family)
    found = infer(module)
    if family.name == "NormalisedMinLSTM":  # the direction is seen, and that its share is no plain σ
        assert found.layout is not None and found.layout.confidence < 1 and not found.layout.constant
        return
    assert (found.layout is not None) == family.found, (found.reason, family.why)
    if found.layout is None:
        return
    true, seen = cuts(module, family.layout), cuts(module, found.layout)
    assert seen.keys() == true.keys()
    names = {(true[key], seen[key]) for key in true}
    assert len(names) == len({a for a, _ in names}) == len({b for _, b in names}), names
    to_true = {b: a for a, b in names}
    assert {to_true[gate]: sign for gate, sign in found.layout.polarity.items()} == dict(family.layout.polarity)
    assert {to_true[gate]: value for gate, value in found.layout.constant.items()} == dict(family.layout.constant)


@EACH
def test_a_retain_rule_gives_every_family_the_same_memory(family, monkeypatch):
    module = made(family)
    if not family.layout.polarity or not any(part.kind == "bias" for part in family.layout.parts):
        return
    ri.register_layout(family.layout)
    try:
        rule = ri.Rule(id="keep", match=ri.Match(kind="bias", gate="retain"), init=ri.Retention(value=0.9))
        report = ri.apply(module, ri.Policy(rules=[rule], untouched="allow"))
        assert any(row.status == "written" for row in report.rows)
        memory = ri.inspect(module, probe=True).memory
        measured = [facts.retention for facts in memory]
        assert measured == pytest.approx([0.9], abs=1e-6) or (not measured and not family.found)
    finally:
        from rnninit_hooks.layouts import registry

        registry.unregister_layout(family.layout.name)


def test_a_swap_in_any_single_parameter_is_found_where_it_can_be():
    family = next(one for one in FAMILIES if one.name == "X2HLSTM")
    for part in family.layout.parts:
        assert "RNN107" in codes(ri.verify_layout(made(family), swapped(family.layout, part.name))), part.name


def test_an_order_of_other_columns_is_found():
    family = next(one for one in FAMILIES if one.name == "ConcatInputFirst")
    parts = tuple(replace(part, columns=part.columns[::-1]) for part in family.layout.parts)
    inferred = infer(made(family)).layout
    assert inferred is not None and [kind for kind, _ in inferred.parts[0].columns] == ["input", "recurrent"]
    assert parts[0].columns != family.layout.parts[0].columns

"""Layouts as files: what is written is read back, and every fault has its place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

import rnninit_hooks as ri
from rnninit_hooks.layout_files import as_code, as_yaml
from rnninit_hooks.layouts import registry
from rnninit_hooks.probing.inferring import infer
from tests.layouts.random_cells import build, specs


def bare(layout: ri.Layout) -> ri.Layout:
    return ri.Layout(**{**layout.__dict__, "evidence": (), "confidence": None})


@settings(max_examples=20, deadline=None)
@given(specs())
def test_an_inferred_layout_survives_its_file_and_its_code(tmp_path_factory, spec):
    layout = infer(build(spec)).layout
    if layout is None:
        return
    file = tmp_path_factory.mktemp("layouts") / "a.layouts.yaml"
    file.write_text(as_yaml([layout]), encoding="utf-8")
    assert ri.load_layouts(file) == (bare(layout),)
    registry.layouts()
    exec(as_code([layout]).replace("    )\n)\n", "    ), replace=True\n)\n"), {})
    assert registry.layouts()[layout.name] == bare(layout)
    registry.unregister_layout(layout.name)


@pytest.mark.parametrize("layout", list(registry.layouts().values()), ids=lambda layout: layout.name)
def test_every_shipped_layout_survives_its_file(layout, tmp_path):
    file = tmp_path / "a.layouts.yaml"
    file.write_text(as_yaml([layout]), encoding="utf-8")
    assert ri.load_layouts(file) == (layout,)


FAULTS = {
    "version: 1\n": ("RNN007", "layouts"),
    "version: 2\nlayouts: []\n": ("RNN008", "version"),
    "version: 1\nlayouts:\n  - {name: a, classes: [b.C], parts: [{name: w, match: w, kinds: bias}]}\n": ("RNN006", "kinds"),
    "version: 1\nlayouts:\n  - {name: a, classes: [b.C], parts: [{name: w, match: w, sign: 2}]}\n": ("RNN008", "sign"),
    "version: 1\nlayouts:\n  - {name: a, classes: [b.C], parts: [{name: w, match: w, order: [x, x]}]}\n": ("RNN009", "twice"),
    "version: 1\nlayouts:\n  - {name: a, classes: [b.C], parts: [{name: w, match: w}], polarity: {keep: 1}}\n": ("RNN009", "keep"),
    "version: 1\nlayouts: [\n": ("RNN002", "YAML"),
}


@pytest.mark.parametrize("text", FAULTS)
def test_faults_have_code_and_place(text, tmp_path):
    file = tmp_path / "a.layouts.yaml"
    file.write_text(text, encoding="utf-8")
    code, word = FAULTS[text]
    with pytest.raises(ri.LayoutFileError) as caught:
        ri.load_layouts(file)
    finding = caught.value.findings[0]
    assert finding.code == code and word in str(finding) and str(finding.place).startswith(f"{file}:")


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(ri.LayoutFileError, match="RNN001"):
        ri.load_layouts(tmp_path / "none.yaml")


def test_options_tell_layouts_of_one_class_apart():
    part = ri.Part("w", "w", kind="recurrent", order=("keep", "new"))
    first = ri.Layout("acme.A", ("acme.Cell",), (part,), when=(("flag", True),))
    second = ri.Layout("acme.B", ("acme.Cell",), (part,), when=(("flag", False),))
    rival = ri.Layout("acme.C", ("acme.Cell",), (part,), when=(("other", 1),))
    try:
        ri.register_layout(first)
        ri.register_layout(second)
        with pytest.raises(ri.RegistrationError, match="tell them apart"):
            ri.register_layout(rival)
        cell = type("Cell", (), {"__module__": "acme", "flag": False})()
        assert registry.layout_of(cell) is second
        cell.flag = True
        assert registry.layout_of(cell) is first
        cell.flag = None
        assert registry.layout_of(cell) is None
    finally:
        for name in ("acme.A", "acme.B"):
            registry.unregister_layout(name)


@pytest.mark.parametrize("name", ["classes", "separate", "required"])
def test_a_word_where_a_tuple_of_words_belongs_is_refused(name):
    part = ri.Part("w", "w", kind="recurrent", order=("keep", "new"))
    with pytest.raises(ri.RegistrationError, match="expected a tuple of names"):
        ri.Layout(**{"name": "acme.A", "classes": ("acme.Cell",), "parts": (part,), name: "keep"})
    with pytest.raises(ri.RegistrationError, match="tuple of gate names"):
        ri.Part("w", "w", order="ifgo")

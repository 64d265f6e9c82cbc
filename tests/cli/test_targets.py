"""TARGET becomes a module."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from rnninit_hooks.cli.failures import CannotJudge
from rnninit_hooks.cli.settings import TargetName
from rnninit_hooks.cli.targets import arguments, build, importable


def built(folder, spec, keywords=None, seed=0):
    target = TargetName(spec, folder)
    with importable(target):
        return build(target, keywords or {}, seed=seed)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=1", 1), ("a=1.5", 1.5), ("a=1e-3", 1e-3), ("a=true", True), ("a=null", None), ("a=[1, 2]", [1, 2]),
        ('a="1"', "1"), ("a=relu", "relu"), ("a=", ""), ("a=x=y", "x=y"), ("a=NaN", "NaN"), ("a=True", "True"),
        ('a={"k": 1}', {"k": 1}), ("a=off", "off"),
    ],
)  # fmt: skip
def test_values_are_json_where_they_can_be(text, value):
    found = arguments([text])["a"]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("text", ["a", "=1", "a-b=1", "1a=1", ""])
def test_a_key_is_an_identifier(text):
    with pytest.raises(CannotJudge, match="no key=value pair"):
        arguments([text])


def test_a_subclass_instance_is_taken_as_it_is(project):
    model = built(project.folder, "models.py:ready")
    assert model is sys.modules["models"].ready


def test_a_file_is_imported_once(project):
    first = built(project.folder, "models.py:Tagger")
    second = built(project.folder, "models.py:Tagger")
    assert type(first) is type(second)


def test_files_of_one_name_do_not_meet(project):
    project.write("other/models.py", "from torch import nn\ndef build():\n    return nn.GRU(2, 2)\n")
    assert type(built(project.folder, "models.py:build")).__name__ == "Tagger"
    assert isinstance(built(project.folder, "other/models.py:build"), nn.GRU)


def test_a_file_finds_its_neighbours(project):
    project.write("lib/neighbour_of_model.py", "size = 3\n")
    project.write(
        "lib/net.py",
        "from torch import nn\nimport neighbour_of_model as n\ndef build():\n    return nn.GRU(n.size, 2)\n",
    )
    assert built(project.folder, "lib/net.py:build").input_size == 3


def test_a_file_that_fails_can_be_mended_and_tried_again(project):
    file = project.write("late.py", "raise ValueError('x')\n")
    with pytest.raises(CannotJudge, match="ValueError: x"):
        built(project.folder, "late.py:build")
    file.write_text("from torch import nn\ndef build():\n    return nn.GRU(2, 2)\n")
    assert isinstance(built(project.folder, "late.py:build"), nn.GRU)


def test_what_a_target_prints_goes_to_stderr(project, capsys):
    built(project.folder, "models.py:build")
    captured = capsys.readouterr()
    assert captured.out == "" and "a factory that talks" in captured.err


def test_the_factory_runs_under_the_seed_and_the_stream_is_put_back(project):
    before = torch.get_rng_state()
    weights = [built(project.folder, "models.py:build", seed=seed).head.weight for seed in (1, 1, 2)]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("spec", ["models.py", ":build", "models.py:", "models.py:a b", "models.py:1", "", "models.py:a..b"])
def test_what_is_no_target_is_refused(project, spec):
    with pytest.raises(CannotJudge, match=r"no target; expected package.module:factory"):
        built(project.folder, spec)


def test_the_cause_of_a_failure_is_kept(project):
    with pytest.raises(CannotJudge) as caught:
        built(project.folder, "models.py:broken")
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_broken_import_inside_a_package_is_not_called_a_missing_target(project):
    with pytest.raises(CannotJudge, match="needs 'a_package_that_nobody_has'"):
        built(project.folder, "acme.half:build")


def test_a_missing_module_without_a_name_is_told_in_its_own_words(project):
    project.write("acme/odd.py", "raise ModuleNotFoundError('bring your own')\n")
    with pytest.raises(CannotJudge, match=r"importing acme.odd raised ModuleNotFoundError: bring your own"):
        built(project.folder, "acme.odd:build")

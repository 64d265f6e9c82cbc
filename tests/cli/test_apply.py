"""`rnninit apply` and `check --weights`: files whole or not at all, tied tensors once, the same bits each time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

import rnninit_hooks as ri

APPLY = ("apply", "models.py:build", "--rules", "lstm-classic", "-o", "w.safetensors")


def names(project):
    return sorted(path.name for path in project.folder.iterdir() if "safetensors" in path.name or path.name.startswith(".rnn"))


def test_the_file_holds_what_apply_writes_and_says_so(project):
    ran = project(*APPLY)
    assert ran.code == 0 and "apply: 12 slots written, 0 errors, 0 warnings" in ran.out
    path = project.folder / "w.safetensors"
    assert f"w.safetensors: 7 tensors, {path.stat().st_size} bytes" in " ".join(ran.out.split())
    state = load_file(path)
    model = nn.ModuleDict({"rnn": nn.LSTM(8, 16)})
    ri.apply(model, "lstm-classic")
    assert set(state) == {"embed.weight", "head.weight", "head.bias", *model.state_dict()}
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    total = state["rnn.bias_ih_l0"] + state["rnn.bias_hh_l0"]
    assert total.chunk(4)[1].tolist() == [1.0] * 16 and names(project) == ["w.safetensors"]


def test_the_same_call_gives_the_same_bytes_and_another_seed_does_not(project):
    project(*APPLY)
    first = (project.folder / "w.safetensors").read_bytes()
    assert project(*APPLY, "--force").code == 0
    assert (project.folder / "w.safetensors").read_bytes() == first
    project(*APPLY, "--force", "--seed", "5")
    state = load_file(project.folder / "w.safetensors")
    (project.folder / "old.safetensors").write_bytes(first)
    old = load_file(project.folder / "old.safetensors")
    assert not torch.equal(state["rnn.weight_hh_l0"], old["rnn.weight_hh_l0"])
    assert not torch.equal(state["embed.weight"], old["embed.weight"])


def test_the_global_random_stream_is_left_alone(project):
    before = torch.get_rng_state()
    project(*APPLY)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_existing_file_is_not_overwritten_without_force(project):
    path = project.write("w.safetensors", "precious")
    ran = project(*APPLY)
    assert ran.code == 2 and "the file exists" in ran.err and "--force" in ran.err
    assert path.read_text() == "precious"


def test_a_plan_with_errors_writes_nothing_and_is_1(project):
    ran = project("apply", "models.py:build", "--rules", "idle.yaml", "-o", "w.safetensors")
    assert ran.code == 1 and "RNN101" in ran.out and "nothing was written" in ran.out
    assert names(project) == []


def test_warnings_write_and_are_1(project):
    ran = project("apply", "models.py:build", "--rules", "warns.yaml", "-o", "w.safetensors")
    assert ran.code == 1 and "7 warnings" in ran.out and names(project) == ["w.safetensors"]


def test_a_failure_while_saving_leaves_no_file(project, monkeypatch):
    import safetensors.torch

    def half(model, filename, metadata=None):
        Path(filename).write_text("half")
        raise RuntimeError("disk on fire")

    monkeypatch.setattr(safetensors.torch, "save_model", half)
    ran = project(*APPLY)
    assert ran.code == 2 and "nothing was written: RuntimeError: disk on fire" in ran.err
    assert names(project) == []


def test_a_failure_while_saving_keeps_the_old_file(project, monkeypatch):
    import safetensors.torch

    path = project.write("w.safetensors", "precious")
    monkeypatch.setattr(safetensors.torch, "save_model", lambda *a, **k: (_ for _ in ()).throw(OSError("full")))
    assert project(*APPLY, "--force").code == 2
    assert path.read_text() == "precious"


def test_a_link_stays_a_link(project):
    target = project.write("store/w.safetensors", "old")
    (project.folder / "w.safetensors").symlink_to(target)
    assert project(*APPLY).code == 2
    assert project(*APPLY, "--force").code == 0
    assert (project.folder / "w.safetensors").is_symlink() and load_file(target)


def test_tied_tensors_are_written_once_and_read_back_tied(project):
    words = ("models.py:tied", "--rules", "lstm-classic")
    ran = project("apply", *words, "-o", "w.safetensors")
    assert ran.code == 0
    kept = set(load_file(project.folder / "w.safetensors")) & {"embed.weight", "head.weight"}
    assert len(kept) == 1
    assert project("check", *words, "--weights", "w.safetensors").code == 0


def test_metadata_tells_where_the_weights_came_from(project):
    project(*APPLY)
    with safe_open(project.folder / "w.safetensors", framework="pt") as file:
        facts = file.metadata()
    assert (facts["rnninit.target"], facts["rnninit.seed"], facts["format"]) == ("models.py:build", "0", "pt")
    assert facts["rnninit.sampler"]


def test_json_tells_what_was_written(project):
    document = json.loads(project(*APPLY, "--format", "json").out)
    assert document["written"]["tensors"] == 7 and document["written"]["path"].endswith("w.safetensors")
    refused = project("apply", "models.py:build", "--rules", "idle.yaml", "-o", "n.safetensors", "--format", "json")
    assert json.loads(refused.out)["written"] is None


def test_what_apply_wrote_check_finds_good(project):
    project(*APPLY)
    ran = project("check", "models.py:build", "--rules", "lstm-classic", "--weights", "w.safetensors")
    assert ran.code == 0 and "check: 12 slots obey" in ran.out
    assert project("check", "models.py:build", "--rules", "lstm-classic").code == 1


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda state: state.pop("head.bias"), "head.bias"),
        (lambda state: state.update({"extra": torch.zeros(2)}), "extra"),
        (lambda state: state.update({"head.bias": torch.zeros(11)}), "size mismatch"),
    ],
)
def test_weights_that_do_not_fit_cannot_be_judged(project, spoil, said):
    project(*APPLY)
    state = load_file(project.folder / "w.safetensors")
    spoil(state)
    save_file(state, project.folder / "spoilt.safetensors")
    ran = project("check", "models.py:build", "--rules", "lstm-classic", "--weights", "spoilt.safetensors")
    assert ran.code == 2 and "does not fit" in ran.err and said in ran.err


def test_a_file_that_is_no_safetensors_cannot_be_judged(project):
    project.write("w.safetensors", "not at all")
    ran = project("check", "models.py:build", "--rules", "lstm-classic", "--weights", "w.safetensors")
    assert ran.code == 2 and ran.err.splitlines()[-1].startswith("rnninit: --weights 'w.safetensors': does not fit")

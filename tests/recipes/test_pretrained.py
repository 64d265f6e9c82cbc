"""Values from a file: taken as they are, or refused with the reason before anything is written."""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor, nn

import rnninit_hooks as ri
from rnninit_hooks.recipes.registry import find

from .blocks import DTYPES, block, filled

RULES = "version: 1\nuntouched: allow\nrules:\n"
ENDINGS = (".safetensors", ".pt", ".bin")


def saved(file: Path, tensors: dict[str, Tensor]) -> Path:
    if file.suffix == ".safetensors":
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    else:
        torch.save(OrderedDict(tensors), file)
    return file


def policy(match: dict[str, Any], *, whole: bool = False, literal: bool = False, **fields: Any) -> ri.Policy:
    rule = {"id": "old", "match": match, "init": {"kind": "pretrained", **fields}, "whole": whole, "literal": literal}
    return ri.Policy(rules=[ri.Rule.model_validate(rule)], untouched="allow")


def bits(module: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]


def reasons(error: pytest.ExceptionInfo[ri.PolicyError]) -> str:
    assert {finding.code for finding in error.value.findings} == {"RNN105"}
    return str(error.value)


class TestTaking:
    @pytest.mark.parametrize("ending", ENDINGS)
    @pytest.mark.parametrize("module", [nn.LSTM(3, 4, num_layers=2, bidirectional=True, proj_size=2), nn.GRU(3, 4), nn.RNN(3, 4), nn.GRUCell(3, 4)], ids=lambda m: type(m).__name__)
    def test_every_parameter_of_a_recurrent_module(self, tmp_path: Path, ending: str, module: nn.Module) -> None:
        old = {f"net.{name}": torch.randn_like(value) for name, value in module.state_dict().items()}
        file = saved(tmp_path / f"old{ending}", old)
        taken = policy({"parameter": "."}, whole=True, literal=True, path=str(file), key="net.{name}")
        report = ri.apply(module, taken)
        assert report.ok and all(torch.equal(value, old[f"net.{name}"]) for name, value in module.state_dict().items())
        assert ri.check(module, taken).ok
        with torch.no_grad():
            next(module.parameters())[0, 0] += 1e-3
        broken = ri.check(module, taken)
        assert broken.findings[0].code == "RNN201" and {finding.code for finding in broken.findings} <= {"RNN201", "RNN204"}

    @given(st.sampled_from(DTYPES), st.sampled_from(DTYPES), st.sampled_from(ENDINGS))
    def test_values_are_rounded_to_the_parameter_s_dtype(self, there: torch.dtype, here: torch.dtype, ending: str) -> None:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            old = torch.randn(5, 7, dtype=torch.float64).to(there)
            file = saved(Path(folder) / f"old{ending}", {"weight": old})
            layer, taken = nn.Linear(7, 5, bias=False, dtype=here), policy({"parameter": "weight"}, path=str(file))
            ri.apply(layer, taken)
            wide = old.double()
            expected = wide.to(here) if here in (torch.float64, torch.float32) else wide.to(torch.float32).to(here)
            assert torch.equal(layer.weight, expected)
            assert ri.check(layer, taken).ok

    def test_names(self, tmp_path: Path) -> None:
        model = nn.ModuleDict({"encoder": nn.ModuleDict({"fc": nn.Linear(2, 2)}), "head": nn.Linear(2, 2)})
        old = {"fc.weight": torch.ones(2, 2), "head/weight": 2 * torch.ones(2, 2), "all": torch.full((2,), 3.0)}
        file = str(saved(tmp_path / "old.safetensors", old))
        ri.apply(model, policy({"parameter": "encoder.*weight"}, path=file, strip="encoder."))
        ri.apply(model, policy({"parameter": "head.*weight"}, path=file, key="{parent}/{leaf}"))
        ri.apply(model, policy({"parameter": "bias"}, path=file, key="all"))
        assert [value.unique().tolist() for value in model.state_dict().values()] == [[1.0], [3.0], [2.0], [3.0]]

    def test_mappings_inside_a_checkpoint(self, tmp_path: Path) -> None:
        file = tmp_path / "run.ckpt"
        torch.save({"epoch": 3, "ema": {"state_dict": {"weight": torch.eye(2)}}}, file)
        layer = nn.Linear(2, 2)
        ri.apply(layer, policy({"parameter": "weight"}, path=str(file), inside=["ema", "state_dict"]))
        assert torch.equal(layer.weight, torch.eye(2))
        with pytest.raises(ri.PolicyError) as error:
            ri.apply(layer, policy({"parameter": "weight"}, path=str(file)))
        assert "has no 'weight'; it holds 2 names" in reasons(error)
        for inside, words in ((["emu"], "has no 'emu'; it holds 2 names, such as 'ema'"), (["epoch"], "holds int, where a mapping"), ([], "'ema' of .* is no tensor but dict; name the mapping in `inside`")):
            with pytest.raises(ri.PolicyError, match=words):
                ri.apply(layer, policy({"parameter": "weight"}, path=str(file), inside=inside, key="{name}" if inside else "ema"))

    def test_the_old_format_of_torch(self, tmp_path: Path) -> None:
        file = tmp_path / "old.pt"
        torch.save({"weight": torch.eye(2)}, file, _use_new_zipfile_serialization=False)
        layer = nn.Linear(2, 2)
        ri.apply(layer, policy({"parameter": "weight"}, path=str(file)))
        assert torch.equal(layer.weight, torch.eye(2))

    @pytest.mark.parametrize("ending", ENDINGS)
    @pytest.mark.parametrize("row", [0, 2, 4])
    def test_an_embedding_keeps_its_padding_row_and_is_judged_without_it(self, tmp_path: Path, ending: str, row: int) -> None:
        old = torch.randn(5, 3)
        taken = policy({"parameter": "weight"}, path=str(saved(tmp_path / f"old{ending}", {"weight": old})))
        table = nn.Embedding(5, 3, padding_idx=row)
        ri.apply(table, taken)
        rest = [index for index in range(5) if index != row]
        assert torch.equal(table.weight[row], torch.zeros(3)) and torch.equal(table.weight[rest], old[rest])
        assert ri.check(table, taken).ok
        for other in rest:
            changed = nn.Embedding.from_pretrained(table.weight.detach().clone(), freeze=False, padding_idx=row)
            with torch.no_grad():
                changed.weight[other] += 1.0
            assert not ri.check(changed, taken).ok

    def test_a_file_that_changes_is_read_again(self, tmp_path: Path) -> None:
        file, layer = tmp_path / "old.pt", nn.Linear(2, 2)
        for scale in (1.0, 2.0):
            torch.save({"weight": scale * torch.eye(2)}, file.with_suffix(".new"))
            file.with_suffix(".new").replace(file)
            ri.apply(layer, policy({"parameter": "weight"}, path=str(file)))
            assert torch.equal(layer.weight, scale * torch.eye(2))

    def test_writing_the_model_later_does_not_write_the_file(self, tmp_path: Path) -> None:
        file, layer = saved(tmp_path / "old.pt", {"weight": torch.eye(2, dtype=torch.float64)}), nn.Linear(2, 2, dtype=torch.float64)
        taken = policy({"parameter": "weight"}, path=str(file))
        ri.apply(layer, taken)
        with torch.no_grad():
            layer.weight.fill_(7.0)
        assert not ri.check(layer, taken).ok
        ri.apply(layer, taken)
        assert torch.equal(layer.weight, torch.eye(2, dtype=torch.float64))

    @pytest.mark.parametrize("ending", ENDINGS)
    def test_a_filled_value_is_nobody_else_s(self, tmp_path: Path, ending: str) -> None:
        file = saved(tmp_path / f"old{ending}", {"weight": torch.eye(2, dtype=torch.float64)})
        recipe, of = find("pretrained")(path=str(file)), block(2, 2, address="weight", gate=None)
        filled(recipe, of).fill_(7.0)
        assert torch.equal(filled(recipe, of), torch.eye(2, dtype=torch.float64))

    def test_a_pending_model_takes_them_at_its_first_forward(self, tmp_path: Path) -> None:
        taken = policy({"parameter": "weight"}, path=str(saved(tmp_path / "old.safetensors", {"weight": torch.eye(2)})))
        layer = nn.Linear(2, 2, bias=False)
        ri.attach(layer, taken)
        assert torch.equal(layer(torch.ones(1, 2)), torch.ones(1, 2))
        with torch.device("meta"):
            meta = nn.Linear(2, 2, bias=False)
        ri.attach(meta, taken)
        ri.materialize(meta, device="cpu")
        assert torch.equal(meta.weight, torch.eye(2))


class TestGates:
    def test_a_gate_s_block_is_refused_with_the_way_out(self, tmp_path: Path) -> None:
        lstm = nn.LSTM(3, 4)
        file = str(saved(tmp_path / "old.pt", lstm.state_dict()))
        before = bits(lstm)
        for match, more in (({"kind": "recurrent"}, {}), ({"kind": "bias"}, {}), ({"kind": "recurrent", "gate": "forget"}, {})):
            with pytest.raises(ri.PolicyError) as error:
                ri.apply(lstm, policy(match, path=file, **more))
            assert "`whole: true`, for a bias `literal: true`" in reasons(error)
        with pytest.raises(ri.PolicyError, match="say `literal: true` as well"):
            ri.apply(lstm, policy({"kind": "bias"}, whole=True, path=file))
        assert all(torch.equal(was, now) for was, now in zip(before, bits(lstm), strict=True))

    def test_a_later_rule_may_have_one_gate(self, tmp_path: Path) -> None:
        lstm, old = nn.LSTM(3, 4), nn.LSTM(3, 4)
        rules = [
            *policy({"kind": "recurrent"}, whole=True, path=str(saved(tmp_path / "old.pt", old.state_dict()))).rules,
            ri.Rule(id="forget", match=ri.Match(kind="recurrent", gate="forget"), init=ri.Identity()),
        ]
        ri.apply(lstm, ri.Policy(rules=rules, untouched="allow"))
        assert torch.equal(lstm.weight_hh_l0[4:8], torch.eye(4))
        assert torch.equal(lstm.weight_hh_l0[8:], old.weight_hh_l0[8:]) and torch.equal(lstm.weight_hh_l0[:4], old.weight_hh_l0[:4])

    def test_a_square_matrix_that_a_class_stores_transposed_is_not_turned(self, tmp_path: Path) -> None:
        cell = _Transposed(4)
        part = ri.Part("weight", "weight", kind="recurrent", order=("hidden",), axis=1, transposed=True)
        layout = ri.Layout("test.transposed", (f"{__name__}._Transposed",), (part,), size="hidden_size")
        ri.register_layout(layout)
        try:
            old = torch.randn(4, 4)
            file = saved(tmp_path / "old.safetensors", {"weight": old})
            taken = policy({"parameter": "weight"}, whole=True, path=str(file))
            assert ri.plan(cell, taken).units[0].block.transposed
            ri.apply(cell, taken)
            assert torch.equal(cell.weight, old)
            assert not [finding for finding in ri.check(cell, taken).findings if finding.code.startswith("RNN2")]
        finally:
            from rnninit_hooks.layouts.registry import unregister_layout

            unregister_layout("test.transposed")


class _Transposed(nn.Module):
    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.weight = nn.Parameter(torch.zeros(hidden_size, hidden_size))

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        return torch.tanh(x + h @ self.weight)


class Hostile:
    """Unpickling it writes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


class TestRefusing:
    @pytest.fixture
    def layer(self) -> nn.Linear:
        return nn.Linear(3, 2)

    def refused(self, layer: nn.Module, file: Path, **fields: Any) -> str:
        """Nothing is written, not even by a rule that could be; plan says the same without raising."""
        other = ri.Rule(id="other", match=ri.Match(parameter="bias"), init=ri.Ones())
        taken = policy({"parameter": "weight"}, path=str(file), **fields)
        both = ri.Policy(rules=[other, *taken.rules])
        before = bits(layer)
        with pytest.raises(ri.PolicyError) as error:
            ri.apply(layer, both)
        assert all(torch.equal(was, now) for was, now in zip(before, bits(layer), strict=True))
        assert [finding.code for finding in ri.plan(layer, both).findings] == ["RNN105"]
        assert not ri.check(layer, both).ok
        return reasons(error)

    @pytest.mark.parametrize("ending", ENDINGS)
    def test_a_file_that_is_not_there(self, layer: nn.Linear, tmp_path: Path, ending: str) -> None:
        assert f"there is no file '{tmp_path}/gone{ending}'" in self.refused(layer, tmp_path / f"gone{ending}")
        (tmp_path / f"folder{ending}").mkdir()
        assert "there is no file" in self.refused(layer, tmp_path / f"folder{ending}")
        for name in (f"nul\0{ending}", "long" * 99 + ending):
            self.refused(layer, tmp_path / name)
        assert "'~nobody-of-that-name/w" in self.refused(layer, Path(f"~nobody-of-that-name/w{ending}"))

    @pytest.mark.parametrize("ending", ENDINGS)
    def test_a_key_that_is_not_there(self, layer: nn.Linear, tmp_path: Path, ending: str) -> None:
        file = saved(tmp_path / f"old{ending}", {"weights": torch.ones(2, 3), "step": torch.ones(1)})
        assert "has no 'weight'; it holds 2 names, such as 'weights'" in self.refused(layer, file)
        assert "does not begin with 'encoder.'" in self.refused(layer, file, strip="encoder.")

    @pytest.mark.parametrize("ending", ENDINGS)
    @pytest.mark.parametrize(
        ("value", "words"),
        [
            (torch.ones(3, 2), "'weight' has shape (3, 2) there, and (2, 3) here"), (torch.ones(6), "has shape (6,) there"),
            (torch.ones(2, 3, 1), "has shape (2, 3, 1)"), (torch.ones(2, 3, dtype=torch.int64), "is torch.int64 there"),
            (torch.ones(2, 3, dtype=torch.bool), "is torch.bool there"), (torch.ones(2, 3, dtype=torch.complex64), "is torch.complex64 there"),
            (torch.tensor([[1.0, 2.0, 3.0], [4.0, float("nan"), float("inf")]]), "nan or inf in 2 of 6 elements"),
        ],
        ids=str,
    )  # fmt: skip
    def test_values_that_do_not_fit(self, layer: nn.Linear, tmp_path: Path, ending: str, value: Tensor, words: str) -> None:
        assert words in self.refused(layer, saved(tmp_path / f"old{ending}", {"weight": value}))

    @pytest.mark.parametrize("ending", ENDINGS)
    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"\x80\x02}q\x00", b"\xff" * 64])
    def test_a_file_that_is_something_else(self, layer: nn.Linear, tmp_path: Path, ending: str, content: bytes) -> None:
        file = tmp_path / f"old{ending}"
        file.write_bytes(content)
        words = self.refused(layer, file)
        assert "cannot be read as" in words or "holds dict" in words or "has no 'weight'; it holds 0 names" in words

    @pytest.mark.parametrize("ending", [".pt", ".ckpt"])
    @pytest.mark.parametrize("zipped", [True, False])
    def test_code_is_never_run(self, layer: nn.Linear, tmp_path: Path, ending: str, zipped: bool) -> None:
        file, target = tmp_path / f"old{ending}", tmp_path / "ran"
        torch.save({"weight": torch.ones(2, 3), "more": Hostile(target)}, file, _use_new_zipfile_serialization=zipped)
        assert "code is never unpickled here" in self.refused(layer, file)
        file.write_bytes(pickle.dumps(Hostile(target)))
        self.refused(layer, file)
        assert not target.exists()

    def test_sparse_and_meta_tensors(self, layer: nn.Linear, tmp_path: Path) -> None:
        file = tmp_path / "old.pt"
        for value in (torch.ones(2, 3).to_sparse(), torch.ones(2, 3, device="meta")):
            torch.save({"weight": value}, file)
            assert "which holds no plain numbers" in self.refused(layer, file)

    def test_numbers_too_large_for_the_parameter(self, tmp_path: Path) -> None:
        half, file = nn.Linear(3, 2, dtype=torch.float16), saved(tmp_path / "old.pt", {"weight": torch.full((2, 3), 1e6)})
        before = bits(half)
        with pytest.raises(ri.PolicyError, match="RNN205"):
            ri.apply(half, policy({"parameter": "weight"}, path=str(file)))
        assert all(torch.equal(was, now) for was, now in zip(before, bits(half), strict=True))

    def test_without_the_package_safetensors(self, layer: nn.Linear, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = saved(tmp_path / "old.safetensors", {"weight": torch.ones(2, 3)})
        monkeypatch.setitem(sys.modules, "safetensors", None)
        assert "takes the package safetensors, which cannot be imported" in self.refused(layer, file)

    def test_a_file_that_vanishes_after_the_plan(self, layer: nn.Linear, tmp_path: Path) -> None:
        file = saved(tmp_path / "old.safetensors", {"weight": torch.ones(2, 3)})
        rules = [ri.Rule(id="b", match=ri.Match(parameter="bias"), init=ri.Ones()), *policy({"parameter": "weight"}, path=str(file)).rules]
        before = bits(layer)
        ri.attach(layer, ri.Policy(rules=rules))
        file.unlink()
        with pytest.raises(ri.RnnInitError, match="there is no file"):
            layer(torch.ones(1, 3))
        assert all(torch.equal(was, now) for was, now in zip(before, bits(layer), strict=True))

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({}, "Field required"), ({"path": "https://host/w.safetensors"}, "never fetched from a network"), ({"path": "s3://b/w.pt"}, "never fetched"),
            ({"path": "w.npz"}, "does not end in one of .safetensors, .pt"), ({"path": "weights"}, "does not end in"), ({"path": ""}, "at least 1 character"),
            ({"path": "w.pt", "key": "{other}"}, r"found \{other\}"), ({"path": "w.pt", "key": "{name.real}"}, r"found \{name.real\}"),
            ({"path": "w.pt", "key": "{name!r}"}, "found"), ({"path": "w.pt", "key": "{}"}, "found"), ({"path": "w.pt", "key": "{name"}, "expected '}'"),
            ({"path": "w.safetensors", "inside": "state_dict"}, "says nothing for safetensors"), ({"path": "w.pt", "map": {}}, "Extra"),
        ],
    )  # fmt: skip
    def test_fields(self, fields: dict[str, Any], words: str) -> None:
        with pytest.raises(ValidationError, match=words):
            find("pretrained")(**fields)


class TestPlaces:
    """A relative path starts at the folder of the rule file that names it, wherever one stands."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "team" / "weights").mkdir(parents=True)
        saved(tmp_path / "team" / "weights" / "w.safetensors", {"weight": torch.eye(2)})
        text = RULES + "  - {id: old, match: {parameter: weight}, init: {kind: pretrained, path: weights/w.safetensors}}\n"
        (tmp_path / "team" / "base.rules.yaml").write_text(text)
        (tmp_path / "mine.rules.yaml").write_text("version: 1\nextends: team/base.rules.yaml\nuntouched: allow\n")
        return tmp_path

    @pytest.mark.parametrize("name", ["mine.rules.yaml", "team/base.rules.yaml"])
    def test_rule_files(self, folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for stand in (folder, folder / "team", Path("/")):
            monkeypatch.chdir(stand)
            layer = nn.Linear(2, 2)
            ri.apply(layer, ri.load(os.path.relpath(folder / name), name="said otherwise"))
            assert torch.equal(layer.weight, torch.eye(2))

    def test_a_policy_that_was_read_may_go_elsewhere(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(folder)
        read = ri.load("team/base.rules.yaml")
        assert ri.loads(read.to_yaml()) == read
        monkeypatch.chdir("/")
        assert ri.plan(nn.Linear(2, 2), read).ok

    def test_texts_and_python(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        text = (folder / "team" / "base.rules.yaml").read_text()
        assert ri.plan(nn.Linear(2, 2), ri.loads(text, base=folder / "team")).ok
        monkeypatch.chdir(folder / "team")
        assert ri.plan(nn.Linear(2, 2), ri.loads(text)).ok
        assert ri.plan(nn.Linear(2, 2), policy({"parameter": "weight"}, path="weights/w.safetensors")).ok
        monkeypatch.chdir(folder)
        assert not ri.plan(nn.Linear(2, 2), ri.loads(text)).ok

    def test_a_home_is_whose_it_is_when_the_file_is_read(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        text = RULES + "  - {id: old, match: {parameter: weight}, init: {kind: pretrained, path: ~/weights/w.safetensors}}\n"
        read = ri.loads(text, base="/")
        monkeypatch.setenv("HOME", str(folder))
        assert not ri.plan(nn.Linear(2, 2), read).ok
        monkeypatch.setenv("HOME", str(folder / "team"))
        assert ri.plan(nn.Linear(2, 2), read).ok

    def test_a_finding_says_line_and_reason(self, folder: Path) -> None:
        (folder / "team" / "weights" / "w.safetensors").unlink()
        (finding,) = ri.plan(nn.Linear(2, 2), ri.load(folder / "team" / "base.rules.yaml")).findings
        assert finding.code == "RNN105" and str(finding.place).endswith("base.rules.yaml:4:5") and finding.address == "weight"
        assert "there is no file" in finding.message
        assert json.dumps(finding.to_dict())

    def test_problems_of_the_file_itself_have_a_place(self) -> None:
        text = RULES + "  - {id: old, match: {parameter: weight}, init: {kind: pretrained, path: 'https://host/w.pt'}}\n"
        with pytest.raises(ri.RuleFileError, match=r"<string>:4:\d+: RNN009 .*never fetched from a network"):
            ri.loads(text)

"""`rnninit lint` as a table: words, exit status, what is said where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import rnninit_hooks as ri

_FILES = {
    "code/stacked.py": "import torch\nrnn = torch.nn.GRU(4, 8)\ntorch.nn.init.orthogonal_(rnn.weight_hh_l0)\n",
    "code/good.py": "import torch\nrnn = torch.nn.GRU(4, 8)\nfor g in rnn.weight_hh_l0.data.chunk(3):\n    torch.nn.init.orthogonal_(g)\n",
    "code/mild.py": "import torch\nrnn = torch.nn.LSTM(4, 8)\ntorch.nn.init.ones_(rnn.bias_hh_l0[8:16])\n",
    "code/noisy.py": "import torch\nrnn = torch.nn.LSTM(4, 8)\nrnn.weight_hh_l0.data.zero_()\n",
    "broken/cut.py": "import torch\nweight = (\n",
    "code/__pycache__/stacked.py": "import torch\nweight = (\n",
    "code/.hidden/stacked.py": "import torch\nweight = (\n",
    "code/notes.txt": "weight = (",
}

CASES = [
    ("lint code/stacked.py", 1, ["code/stacked.py:3:1: RNN302 stacked-orthogonal warning:", "fix:", "^", "lint: 1 file, 1 finding"], []),
    ("lint code/good.py", 0, ["lint: 1 file, 0 findings"], []),
    ("lint code/mild.py", 0, ["RNN317", "info"], []),
    ("lint code", 1, ["RNN302", "RNN317", "lint: 4 files, 2 findings"], []),
    ("lint code broken", 2, ["RNN302", "broken/cut.py:2:1: RNN320", "1 not judged"], []),
    ("lint code --ignore RNN302", 0, ["RNN317"], []),
    ("lint code --select RNN303", 0, ["0 findings"], []),
    ("lint code --select RNN4", 0, ["RNN401", "2 findings"], []),
    ("lint code --select rnn302,RNN401", 1, ["RNN302", "RNN401"], []),
    ("lint code --suggest", 0, ["version: 1", "kind: orthogonal", "gate: forget"], []),
    ("lint code/noisy.py --suggest", 2, [], ["no initialisation"]),
    ("lint", 2, [], ["rnninit: usage:"]),
    ("lint nowhere.py", 2, [], ["PATH 'nowhere.py': no such file"]),
    ("lint code --select RNN1", 2, [], ["--select 'RNN1': no code begins so"]),
    ("lint code --select RNN999", 2, [], ["no code begins so"]),
    ("lint code --format yaml", 2, [], ["rnninit: usage:"]),
]  # fmt: skip


@pytest.fixture
def code(project):
    for name, text in _FILES.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return project


@pytest.mark.parametrize(("words", "status", "out", "err"), CASES, ids=[case[0] for case in CASES])
def test_words_give_status_and_text(code, words, status, out, err):
    ran = code(*words.split())
    assert ran.code == status, (ran.out, ran.err)
    flat = " ".join(ran.out.split())
    assert [fragment for fragment in out if fragment not in flat] == []
    assert [fragment for fragment in err if fragment not in ran.err] == []


def test_json_is_one_document(code):
    ran = code("lint", "code", "--format", "json")
    facts = json.loads(ran.out)
    assert (ran.code, facts["verb"], facts["ok"], facts["clean"], facts["files"]) == (1, "lint", True, False, 4)
    assert facts["findings"][0]["place"] == {"file": "code/mild.py", "line": 3, "column": 1}


def test_the_project_file_selects_and_ignores(code):
    Path("pyproject.toml").write_text('[tool.rnninit]\nselect = ["RNN3"]\nignore = ["RNN302", "RNN317"]\n', encoding="utf-8")
    assert code("lint", "code").code == 0
    assert code("lint", "code", "--ignore", "RNN317").code == 1
    Path("pyproject.toml").write_text('[tool.rnninit]\nselect = "RNN3"\n', encoding="utf-8")
    assert code("lint", "code").code == 2


def test_the_suggested_rules_can_be_read(code):
    policy = ri.loads(code("lint", "code", "--suggest").out)
    kinds = {(rule.match.kind, str(rule.init)) for rule in policy.rules}
    assert any("orthogonal" in text for _, text in kinds) and any("constant" in text for _, text in kinds)

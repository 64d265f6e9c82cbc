"""Files of one project: what a helper is given in another file, and what an imported class holds there."""

from __future__ import annotations

import os
from pathlib import Path
from textwrap import dedent

import pytest

from rnninit_hooks.lint.runner import Outcome, lint_paths

STACKED = """
    import torch
    from torch import nn

    def init_weights(module):
        for name, p in module.named_parameters():
            if p.dim() > 1:
                nn.init.orthogonal_(p)
"""
NET = """
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.rnn = nn.LSTM(4, width, num_layers=2, bidirectional=True)
            self.head = nn.Linear(width, 2)
"""


def project(folder: Path, **files: str) -> Path:
    """A project of some files; two underscores in a name stand for a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text("")
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/').replace('-', '_')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return folder


def told(outcome: Outcome) -> list[tuple[str, str, int]]:
    """Findings as (code, file, line)."""
    return [(one.code, Path(one.place.file).name, one.place.line) for one in outcome.findings if one.place]


CALLS = {
    "from util import init_weights": "init_weights(self.rnn)",
    "from util import init_weights as start": "start(module=self.rnn)",
    "from util import *": "init_weights(self.rnn)",
    "import util": "util.init_weights(self.rnn)",
    "import util as u": "u.init_weights(self.rnn)",
    "from . import util": "util.init_weights(self.rnn)",
    "from .util import init_weights": "self.apply(init_weights)",
    "from util import  init_weights": "init_weights(self)",
}


@pytest.mark.parametrize("line", CALLS)
def test_a_helper_in_another_file_is_judged_by_what_it_is_given(tmp_path, line):
    model = f"{dedent(NET)}        {CALLS[line]}\n"
    root = project(tmp_path, util=STACKED, model=f"{line}\n{model}")
    alone = lint_paths([root / "util.py"])
    assert not alone.findings, "without a caller nobody knows what the module is"
    outcome = lint_paths([root])
    assert told(outcome) == [("RNN302", "util.py", 8)]
    assert f"as called at {root / 'model.py'}:" in outcome.findings[0].message


@pytest.mark.parametrize("cure", ["for gate in p.data.chunk(4): nn.init.orthogonal_(gate)", "nn.init.normal_(p, std=0.01)"])
def test_a_helper_that_is_right_is_silent(tmp_path, cure):
    helper = dedent(STACKED).replace("nn.init.orthogonal_(p)", cure)
    model = f"from util import init_weights\n{dedent(NET)}        init_weights(self.rnn)\n"
    assert not lint_paths([project(tmp_path, util=helper, model=model)]).findings


TRAIN = """
    import torch
    {line}

    def main():
        net = {call}(8)
        for name, p in net.named_parameters():
            if p.dim() > 1:
                torch.nn.init.xavier_uniform_(p)
"""


@pytest.mark.parametrize(("line", "call"), [
    ("from models.net import Net", "Net"), ("import models.net", "models.net.Net"), ("from models import Net", "Net"),
    ("from models import net as zoo", "zoo.Net"), ("from models import *", "Net"),
])  # fmt: skip
def test_a_class_of_another_file_holds_what_it_builds_there(tmp_path, line, call):
    root = project(tmp_path, train=TRAIN.format(line=line, call=call), models__net=NET)
    (root / "models" / "__init__.py").write_text("from .net import Net\n")
    assert told(lint_paths([root / "train.py"])) == [("RNN307", "train.py", 9)], "the class is looked up, judged or not"
    (root / "models" / "net.py").write_text(dedent(NET).replace("nn.LSTM(4, width, num_layers=2, bidirectional=True)", "None"))
    assert not lint_paths([root]).findings


def test_a_method_of_a_base_in_another_file_is_told_of_the_derived_class(tmp_path):
    base = """
        import torch
        from torch import nn

        class Base(nn.Module):
            def init_weights(self):
                for p in self.parameters():
                    if p.dim() > 1:
                        nn.init.orthogonal_(p)
    """
    derived = f"from base import Base\n{dedent(NET).replace('nn.Module', 'Base')}        self.init_weights()\n"
    root = project(tmp_path, base=base, model=derived)
    assert not lint_paths([root / "base.py"]).findings
    assert told(lint_paths([root])) == [("RNN302", "base.py", 9)]


GATE = """
    import torch

    def init_gate(bias, value=1.0):
        n = bias.size(0)
        bias.data[n // 4 : n // 2].fill_(1.0)
"""


@pytest.mark.parametrize(("body", "codes"), [
    ("for l in range(depth): init_gate(getattr(self.rnn, f'bias_ih_l{l}')), init_gate(getattr(self.rnn, f'bias_ih_l{l}_reverse'))",
     ["RNN317"]),
    ("init_gate(self.rnn.bias_ih_l0); init_gate(self.rnn.bias_ih_l1); init_gate(self.rnn.bias_ih_l0_reverse)", ["RNN317"]),
    ("init_gate(self.rnn.bias_ih_l0); init_gate(self.rnn.bias_ih_l0_reverse)", ["RNN304", "RNN317"]),
    ("init_gate(self.rnn.bias_ih_l0); init_gate(self.rnn.bias_ih_l1)", ["RNN306", "RNN317"]),
    ("for n, p in self.rnn.named_parameters():\n            if 'bias' in n: init_gate(p)", ["RNN303"]),
])  # fmt: skip
def test_calls_from_one_file_are_seen_together(tmp_path, body, codes):
    model = f"from gates import init_gate\n{dedent(NET).replace('width)', 'width, depth=2)', 1)}        {body}\n"
    outcome = lint_paths([project(tmp_path, gates=GATE, model=model)])
    assert [(code, "gates.py") for code in codes] == [one[:2] for one in told(outcome)]


def test_circles_missing_files_and_broken_ones_are_lived_with(tmp_path):
    broken = "import torch\nfrom torch import nn\nclass B(nn.Module:\n"
    first = "import torch\nfrom torch import nn\nfrom b import B\nfrom c import C\nfrom gone import D\nfrom ...far import E\n"
    first += "class A(nn.Module):\n    def __init__(self):\n        self.b = B()\n        self.c = C(), D(), E()\n"
    second = f"from a import A\n{dedent(NET)}\nclass B(A):\n    def __init__(self):\n        self.a = A()\n        self.rnn = nn.GRU(2, 2)\n"
    text = f"{first}a = A()\nfor n, p in a.named_parameters():\n    nn.init.orthogonal_(p)\n"
    root = project(tmp_path, a=text, b=second, c=broken)
    assert told(lint_paths([root])) == [("RNN302", "a.py", 13), ("RNN312", "a.py", 13), ("RNN320", "c.py", 3)]


def test_the_verdict_does_not_depend_on_the_order_or_spelling_of_paths(tmp_path, monkeypatch):
    root = project(tmp_path, util=STACKED, model=f"from util import init_weights\n{dedent(NET)}        init_weights(self.rnn)\n")
    monkeypatch.chdir(root)
    ways = [[Path("model.py"), Path("util.py")], [Path("util.py"), Path("model.py")], [Path()], [Path(os.path.relpath(root, "/"))]]
    ways[-1] = [Path("/") / ways[-1][0]]
    assert {tuple(told(lint_paths(way))) for way in ways} == {(("RNN302", "util.py", 8),)}


def test_a_comment_in_the_helper_silences_what_its_callers_show(tmp_path):
    helper = dedent(STACKED).replace("orthogonal_(p)", "orthogonal_(p)  # rnninit: ignore[RNN302] as in the paper of 2019")
    root = project(tmp_path, util=helper, model=f"from util import init_weights\n{dedent(NET)}        init_weights(self.rnn)\n")
    outcome = lint_paths([root])
    assert not outcome.findings
    assert [one.code for one, _ in outcome.ignored] == ["RNN302"]


def test_dots_lead_to_the_folder_above_and_no_name_leads_out_of_the_project(tmp_path):
    right = dedent(STACKED).replace("orthogonal_(p)", "normal_(p, std=0.01)")
    model = f"from ..util import init_weights\n{dedent(NET)}        init_weights(self.rnn)\n"
    root = project(tmp_path, pkg__util=STACKED, pkg__deep__util=right, pkg__deep__model=model)
    assert told(lint_paths([root])) == [("RNN302", "util.py", 8)]
    outer = project(tmp_path / "pkg", elsewhere=STACKED)
    project(tmp_path / "pkg" / "deep", model=model.replace("..util", "elsewhere"))
    assert not lint_paths([outer / "deep", outer / "elsewhere.py"]).findings, "a folder with a project file is a project"


def test_a_layer_that_a_base_in_another_file_builds_is_the_derived_class_s_too(tmp_path):
    derived = """
        import torch
        from net import Net

        class Tagger(Net):
            def init_weights(self):
                for name, p in self.named_parameters():
                    if p.dim() > 1:
                        torch.nn.init.orthogonal_(p)
    """
    root = project(tmp_path, net=NET, tagger=derived)
    assert told(lint_paths([root / "tagger.py"])) == [("RNN302", "tagger.py", 9)]
    assert not lint_paths([project(tmp_path, net=dedent(NET).replace("nn.LSTM", "Own"))]).findings


def test_an_own_lstm_from_the_same_package_is_not_torch_s(tmp_path):
    text = "import torch\nfrom . import LSTM\nrnn = LSTM(4, 8)\ntorch.nn.init.orthogonal_(rnn.weight_hh_l0)\n"
    assert not lint_paths([project(tmp_path, model=text)]).findings
    assert told(lint_paths([project(tmp_path, model=text.replace("from .", "from torch.nn"))]))[0][0] == "RNN302"


HELPER = """
    import torch

    def init_lstm(lstm):
        lstm.bias_ih_l0.data[: lstm.hidden_size].fill_(1.0)
        lstm.bias_hh_l0.data.zero_()
"""


@pytest.mark.parametrize(("layer", "codes"), [
    ("nn.LSTM(4, width)", []), ("nn.LSTM(4, width, num_layers=2)", ["RNN304"]),
    ("nn.LSTM(4, width, bidirectional=True)", ["RNN306"]),
])  # fmt: skip
def test_callers_say_how_deep_an_argument_is(tmp_path, layer, codes):
    net = dedent(NET).replace("nn.LSTM(4, width, num_layers=2, bidirectional=True)", layer)
    root = project(tmp_path, util=HELPER, model=f"from util import init_lstm\n{net}        init_lstm(self.rnn)\n")
    assert [code for code, _, _ in told(lint_paths([root / "util.py"]))] == ["RNN304"], "alone, it may have any depth"
    assert [code for code, _, _ in told(lint_paths([root]))] == codes


def test_a_comment_in_a_helper_is_not_stale_where_its_callers_are_not_seen(tmp_path):
    helper = dedent(STACKED).replace("orthogonal_(p)", "orthogonal_(p)  # rnninit: ignore[RNN302] as in the paper of 2019")
    root = project(tmp_path, util=f"{helper}\nx = 1  # rnninit: ignore[RNN303] nothing here\n")
    assert [code for code, _, line in told(lint_paths([root / "util.py"]))] == ["RNN322"], "only the one outside of the helper"
    assert [code for code, _, line in told(lint_paths([root]))] == ["RNN322", "RNN322"], "a whole project has no other callers"
    outcome = lint_paths([root / "util.py", root / "util.py"])
    assert outcome.files == 1 and len(outcome.findings) == 1, "a path that is named twice is judged once"

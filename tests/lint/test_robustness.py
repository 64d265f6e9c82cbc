"""Whatever the text, the lint gives findings or none; it never raises, and never runs what it reads."""

from __future__ import annotations

import ast
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnninit_hooks.findings import CODES
from rnninit_hooks.lint.runner import chosen, lint_paths, lint_text
from rnninit_hooks.lint.source import READ, parse
from rnninit_hooks.lint.weight import LARGEST, MOST_SIGNS, too_heavy
from tests.lint.test_corpus import SNIPPETS, split

ALL = chosen(["RNN3", "RNN4"])
_HEAD = "import torch\nfrom torch import nn\nlstm = nn.LSTM(4, 8)\n"
_SOURCES = [split(text)[0] for text in SNIPPETS.values()]

DEEP = {
    "parentheses": "(" * 300 + ")" * 300,
    "minuses": "x = " + "-" * 5000 + "1",
    "sums": "x = " + "+".join(["1"] * 20000),
    "attributes": "x = lstm" + ".a" * 3000,
    "calls": "x = f" + "()" * 3000,
    "subscripts": "x = f" + "[0]" * 3000,
    "elifs": "if a:\n    pass\n" + "".join(f"elif lstm.weight_hh_l0 == {i}:\n    pass\n" for i in range(3000)),
    "lists": "x = " + "[" * 90 + "]" * 90,
    "ifs": "".join(" " * i + "if a:\n" for i in range(95)) + " " * 95 + "pass",
    "comparisons": "x = " + " < ".join(["a"] * 5000),
    "lambdas": "x = " + "lambda: " * 800 + "1",
    "long-range": "for i in range(10**9):\n    lstm.bias_ih_l0.data[i] = 1",
    "nested-ranges": "".join(" " * i + f"for x{i} in range(60):\n" for i in range(12)) + " " * 12 + "nn.init.zeros_(lstm.bias_ih_l0)",
    "powers": "x = 10 ** 10 ** 10 ** 10\ny = 'a' * 10 ** 12",
    "formats": "x = '%999999999d' % 3\ny = f'{3:>999999999}'",
    "infinite": "x = 1e308 * 10\nlstm.bias_ih_l0.data[x:2 * x] = x\ny = x // 0",
    "self-call": "def f(x):\n    return f(f(x))\nf(lstm)",
    "mutual": "def f(x):\n    return g(x)\ndef g(x):\n    return f(x) + f(x)\nf(lstm)",
    "own-base": "class A(A):\n    def init(self):\n        self.weight = 1\nA()",
    "class-cycle": "class A(nn.Module):\n    def __init__(self):\n        self.b = B()\nclass B(nn.Module):\n    def __init__(self):\n        self.a = A()\n        self.bias = 0",
    "bases-of-bases": "".join(
        f"class L{floor}_{i}({', '.join(f'L{floor - 1}_{j}' for j in range(30)) if floor else 'nn.Module'}):\n    def init(self):\n"
        "        self.init_missing()\n        self.weight = 1\n"
        for floor in range(5) for i in range(30)
    ),
    "regex": "import re\nfor name, p in lstm.named_parameters():\n    if re.match('(a+)+$', name):\n        nn.init.zeros_(p)",
    "a-list-that-doubles": "a = [1, 2]\n" + "a = a + a\n" * 60,
    "a-list-of-itself": "a, b = [1], [1]\n" + "a = [a, a]\nb = [b, b]\n" * 60 + "if c:\n    a = b\nfor x in a:\n    pass",
    "a-list-that-grows-by-itself": "a = [lstm]\n" + "a.append(a)\n" * 60 + "for n, p in nn.Sequential(*a).named_parameters():\n    p.zero_()",
    "a-module-of-itself": "a = lstm\n" + "a = nn.Sequential(a, a)\n" * 60 + "for n, p in a.named_parameters():\n    p.zero_()",
    "alternatives": "a, b = lstm, nn.GRU(4, 4)\n" + "if c:\n    a = b\nelse:\n    b = [a]\n" * 60 + "nn.init.zeros_(a.bias_ih_l0)",
    "a-text-that-doubles": "a = 'x'\n" + "a = f'{a}{a}'\na = a + a\na = '%s%s' % (a, a)\n" * 60,
    "eval-bomb": "x = eval('(' * 60)\ny = eval('lstm.bias_ih_l0.')",
}


@pytest.mark.parametrize("name", DEEP)
def test_code_that_goes_deep_or_on_for_ever_is_survived(name):
    for finding in lint_text(_HEAD + DEEP[name] + "\n", codes=ALL):
        assert finding.code in CODES and finding.place is not None and finding.place.line >= 1


@pytest.mark.parametrize(
    ("data", "fragment"),
    [
        (b"import torch\nweight = (", "does not parse"),
        (b"\xff\xfe\x00weight torch", "no text"),
        (b"# coding: latin-1\nimport torch\nweight = '\xe9'\n", ""),
        (b"# coding: no-such-thing\nimport torch\n", "no text"),
        (b"# coding: utf-16\nimport torch\nweight = 1\n", "no text"),
        (b"# coding: undefined\nimport torch\nweight = 1\n", "no text"),
        (b"# coding: utf-7\nimport torch\nweight = '+2AA-'\n", "does not parse"),
        (b"import torch\nweight = '\x00'\n", "does not parse"),
        (b"import torch\n\tweight = 1\n", "does not parse"),
        (("import torch\nweight = " + "(" * 3000).encode(), "parse"),
        (b"\xef\xbb\xbfimport torch\nweight = 1\n", ""),
        (b"", ""),
    ],
)
def test_a_file_that_is_no_python_gives_one_finding(data, fragment):
    found = parse(data, "a.py")
    if fragment:
        assert found.code == "RNN320" and fragment in found.message and found.expected and found.fix
    else:
        assert found is None or hasattr(found, "tree")


def test_a_huge_file_and_a_missing_one_are_said_to_be_so(tmp_path):
    huge = tmp_path / "huge.py"
    huge.write_bytes(_HEAD.encode() + b"#" * LARGEST)
    assert [finding.code for finding in lint_paths([huge]).findings] == ["RNN320"]
    huge.write_bytes(b"#" * READ)
    assert not lint_paths([huge]).findings, "what never names torch holds nothing of its parameters"
    huge.write_bytes(b"#" * (READ + 1))
    assert [finding.code for finding in lint_paths([huge]).findings] == ["RNN320"], "nobody knows what it names"
    with pytest.raises(FileNotFoundError):
        lint_paths([tmp_path / "none.py"])


def test_what_would_take_long_to_parse_is_refused_and_a_long_ordinary_file_is_judged():
    ordinary = "def f(self, x, y):\n    z = self.linear(x) + y\n    return torch.cat([z, x], dim=1)\n\n" * 5_000
    assert [finding.code for finding in lint_text(_HEAD + ordinary + "nn.init.orthogonal_(lstm.weight_hh_l0)\n")] == ["RNN302"]
    for heavy in ("x;" * MOST_SIGNS, "x\n" * MOST_SIGNS, "[1,[2]]," * (MOST_SIGNS // 5)):
        (finding,) = lint_text(_HEAD + heavy)
        assert finding.code == "RNN320" and "signs and statements" in finding.message and str(MOST_SIGNS) in finding.expected


@pytest.mark.parametrize("quote", ["'", '"', "'''", '"""'])
def test_long_formatted_strings_are_refused_where_they_take_long(monkeypatch, quote):
    monkeypatch.setattr("rnninit_hooks.lint.weight._SLOW_FIELDS", True)
    assert "formatted" in too_heavy(f"x = f{quote}{'{a}' * 20_000}{quote}\n".encode())[0]
    assert too_heavy(f"x = {quote}{'{a}' * 20_000}{quote}\n".encode()) is None
    assert too_heavy(b"x = f'{a}'\ny = {}\n" * 8_000) is None
    monkeypatch.setattr("rnninit_hooks.lint.weight._SLOW_FIELDS", False)
    assert too_heavy(f"x = f{quote}{'{a}' * 20_000}{quote}\n".encode()) is None


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no file without an end here")
def test_a_file_without_end_is_not_read_to_its_end():
    assert [finding.code for finding in lint_paths([Path("/dev/zero")]).findings] == ["RNN320"]


@pytest.mark.parametrize("text", ["\x0c", "x = '\u2028'\n", "# \x1c \x85 \x0b\n", "\ufeff"])
def test_lines_are_counted_as_the_parser_counts_them(text):
    (finding,) = lint_text(text + _HEAD + "nn.init.orthogonal_(lstm.weight_hh_l0)\n")
    assert finding.place.line == 4 + text.count("\n") and finding.excerpt.startswith("nn.init.orthogonal_(")


def test_the_stack_of_a_deep_caller_is_no_traceback():
    def deeper(left: int) -> object:
        return deeper(left - 1) if left else lint_text(_HEAD + "nn.init.orthogonal_(lstm.weight_hh_l0)\n")

    import sys

    frame, used = sys._getframe(), 0
    while frame is not None:
        frame, used = frame.f_back, used + 1
    codes = {finding.code for left in range(40, 220, 20) for finding in deeper(sys.getrecursionlimit() - used - left)}
    assert codes <= {"RNN320", "RNN302"} and codes


def test_an_expression_deeper_than_people_write_hides_nothing_after_it():
    deep = "x = " + "+".join(["1"] * 700) + "\n"
    assert [finding.code for finding in lint_text(_HEAD + deep + "nn.init.orthogonal_(lstm.weight_hh_l0)\n")] == ["RNN302"]


def test_a_tree_too_deep_to_follow_is_said_to_be_so(monkeypatch):
    def falls(source: object, calls: object) -> None:
        raise RecursionError

    monkeypatch.setattr("rnninit_hooks.lint.runner.study", falls)
    assert [finding.code for finding in lint_text(_HEAD)] == ["RNN320"]


def _mutants(source: str, seed: int) -> str:
    """The source with nodes of its tree swapped, dropped or doubled: nearly always valid, never meant."""
    chance = random.Random(seed)
    tree = ast.parse(source)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.expr)]
    for node in ast.walk(tree):
        for field, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt) and chance.random() < 0.3:
                chance.shuffle(value)
            elif isinstance(value, ast.expr) and chance.random() < 0.08:
                setattr(node, field, chance.choice(nodes))
    try:
        return ast.unparse(tree)
    except (ValueError, RecursionError, AttributeError, TypeError):
        return source


@given(st.sampled_from(_SOURCES), st.integers(0, 10**6))
def test_mutated_snippets_never_raise(source, seed):
    for finding in lint_text(_mutants(source, seed), codes=ALL):
        assert finding.code in CODES and str(finding)


_NAMES = st.sampled_from(["lstm", "p", "name", "self", "nn", "torch", "bias_ih_l0", "weight_hh_l0", "n", "x"])
_LEAVES = st.one_of(
    _NAMES.map(lambda name: name),
    st.sampled_from(["0", "1.0", "-1", "'bias'", "'weight_hh'", "None", "True", "4", "''", "1e400"]),
)


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    two = st.tuples(inner, inner)
    methods = st.sampled_from(["chunk", "fill_", "size", "data", "split", "view", "named_parameters", "startswith", "apply", "all_weights"])
    return st.one_of(
        two.map(lambda pair: f"({pair[0]} // {pair[1]})"),
        two.map(lambda pair: f"({pair[0]} in {pair[1]})"),
        two.map(lambda pair: f"({pair[0]})[{pair[1]}:]"),
        two.map(lambda pair: f"({pair[0]})[:, {pair[1]}]"),
        st.tuples(inner, methods).map(lambda pair: f"({pair[0]}).{pair[1]}"),
        st.tuples(inner, methods, inner).map(lambda parts: f"({parts[0]}).{parts[1]}({parts[2]})"),
        two.map(lambda pair: f"nn.init.constant_({pair[0]}, {pair[1]})"),
        two.map(lambda pair: f"nn.init.orthogonal_({pair[0]})"),
        two.map(lambda pair: f"getattr({pair[0]}, {pair[1]})"),
        two.map(lambda pair: f"[{pair[0]} for x, name in {pair[1]}]"),
        two.map(lambda pair: f"({pair[0]} if {pair[1]} else lstm)"),
        two.map(lambda pair: f"isinstance({pair[0]}, {pair[1]})"),
        inner.map(lambda one: f"(lambda p: {one})"),
        inner.map(lambda one: f"nn.GRU({one}, bidirectional={one})"),
    )


_EXPRESSIONS = st.recursive(_LEAVES, _grow, max_leaves=8)


@given(st.lists(_EXPRESSIONS, min_size=1, max_size=5))
def test_random_expressions_never_raise(expressions):
    body = "\n".join(
        f"for name, p in ({one}):\n    if {one}:\n        p = {one}\n    else:\n        (p)[{one}] = {one}\n{one}" for one in expressions
    )
    for finding in lint_text(_HEAD + body + "\n", codes=ALL):
        assert finding.code in CODES and str(finding)


def test_the_functions_of_a_file_share_its_steps_and_the_one_that_initialises_comes_first():
    many = ", ".join(f"m.part{i}" for i in range(60))
    loop = f"    for name, p in m.named_children():\n        for i in ({many}):\n            for j in ({many}):\n                weight = i + j\n"
    slow = "".join(f"def slow{i}(m, weight):\n{loop}" for i in range(40))
    init = "def init(lstm):\n    nn.init.orthogonal_(lstm.weight_hh_l0)\n"
    assert [finding.code for finding in lint_text(_HEAD + slow + init)] == ["RNN302"]
    cut = [one for one in lint_text(_HEAD + slow.replace("named_children", "named_parameters") + init) if one.code == "RNN319"]
    assert 1 <= len(cut) <= 4 and "what follows" in cut[-1].message, "where something may be hidden, it is said"


def test_a_script_that_takes_too_many_steps_is_only_reported_where_it_initialises():
    many = ", ".join(f"m.part{i}" for i in range(60))
    head = "import torch.nn as nn\nclass Net(nn.Module):\n    def reset(self):\n        nn.init.zeros_(self.named_parameters)\n"
    script = head + f"for a in ({many}):\n    for b in ({many}):\n        for c in ({many}):\n            m.load_state_dict(a + b + c)\n"
    assert not [one for one in lint_text(script) if one.code == "RNN319"]
    told = [one for one in lint_text(script + "nn.init.orthogonal_(m.rnn.weight_hh_l0)\n") if one.code == "RNN319"]
    assert len(told) == 1 and "<module>" in told[0].message

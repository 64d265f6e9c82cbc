"""What the code meant, as rules that can be read and applied."""

from __future__ import annotations

import pytest
from torch import nn

import rnninit_hooks as ri
from rnninit_hooks.lint.reading import study
from rnninit_hooks.lint.source import Source, parse
from rnninit_hooks.lint.suggest import suggestion
from tests.lint.test_corpus import SNIPPETS, split


def suggested(text: str) -> str | None:
    source = parse(text.encode(), "code.py")
    return suggestion([study(source)]) if isinstance(source, Source) else None


@pytest.mark.parametrize("name", SNIPPETS)
def test_every_suggestion_is_a_rule_file(name):
    text = suggested(split(SNIPPETS[name])[0])
    assert text is None or ri.loads(text).rules


def test_most_of_the_doubled_snippets_give_a_rule_for_the_gate():
    texts = [suggested(split(text)[0]) or "" for name, text in SNIPPETS.items() if name.startswith("doubled/")]
    assert sum("gate: " in text for text in texts) >= len(texts) * 3 // 4


def test_a_doubled_stacked_start_becomes_one_that_is_right():
    code = """
import torch
lstm = torch.nn.LSTM(8, 16, 2)
for name, p in lstm.named_parameters():
    if "weight_hh" in name:
        torch.nn.init.orthogonal_(p)
    elif "bias" in name:
        p.data.zero_()
        p.data[16:32].fill_(1.0)
"""
    model = nn.LSTM(8, 16, 2)
    policy = ri.loads(suggested(code))
    ri.apply(model, policy)
    facts = {row.address: row for row in ri.inspect(model).rows}
    assert facts["bias_l1[forget]"].effective_bias == 1.0 and facts["bias_l0[input]"].effective_bias == 0.0
    assert facts["weight_hh_l1[cell]"].orthogonality < 1e-5


def test_a_first_value_wins_and_quotes_in_a_path_are_kept():
    code = "import torch\nlstm = torch.nn.LSTM(4, 8)\nlstm.bias_ih_l0.data[8:16] = 2.0\nlstm.bias_ih_l0.data[8:16] = 3.0\n"
    source = parse(code.encode(), "it's.py")
    assert isinstance(source, Source)
    policy = ri.loads(suggestion([study(source)]) or "")
    assert [rule.why for rule in policy.rules] == ["it's.py:3:1"]


def test_code_without_intent_gives_nothing():
    assert suggested("import torch\nlstm = torch.nn.LSTM(4, 8)\nlstm.flatten_parameters()\n") is None

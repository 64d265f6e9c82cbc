"""Policies in YAML with every structured kind on real modules: applied, checked clean in every dtype, red when ruined."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import nn

import rnninit_hooks as ri

Module = Callable[[], nn.Module]


class Independent(nn.Module):
    """A layer with one recurrent weight per unit."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent = nn.Parameter(torch.rand(300))


def policy(*rules: str, seed: int = 3) -> ri.Policy:
    lines = [f"  - {{id: r{n}, match: {{{match}}}, init: {{{init}}}}}" for n, (match, init) in enumerate(rule.split(" -> ") for rule in rules)]
    return ri.loads("\n".join(["version: 1", f"seed: {seed}", "untouched: allow", "rules:", *lines]))


def rnn() -> nn.Module:
    return nn.RNN(5, 16, num_layers=2, bidirectional=True)


def lstm() -> nn.Module:
    return nn.LSTM(5, 16, num_layers=2, bidirectional=True)


def gru() -> nn.Module:
    return nn.GRU(5, 16, batch_first=True)


def cells() -> nn.Module:
    return nn.ModuleDict({"lstm": nn.LSTMCell(5, 16), "gru": nn.GRUCell(5, 16), "rnn": nn.RNNCell(5, 16)})


def convolutions() -> nn.Module:
    return nn.Sequential(nn.Conv1d(4, 6, 3), nn.Conv2d(6, 6, (3, 5)), nn.Conv3d(6, 12, 3))


RECURRENT = {
    "spectral_radius": "kind: spectral_radius, radius: 0.95",
    "spectral_radius sparse": "kind: spectral_radius, radius: 1.1, density: 0.2",
    "sparse": "kind: sparse, nonzero: 7, std: 0.3",
    "sparse per column": "kind: sparse, nonzero: 7, std: 0.3, per: column",
    "singular_values": "kind: singular_values, low: 0.9, high: 1.1",
    "rotations": "kind: rotations",
    "cayley": "kind: cayley, negative: 3",
    "exprnn": "kind: exprnn, skew: cayley",
    "special_orthogonal": "kind: special_orthogonal, gain: 0.9",
    "householder": "kind: householder, reflections: 4",
    "hadamard": "kind: hadamard",
    "chain": "kind: chain",
    "antisymmetric": "kind: antisymmetric, gain: 1.0, gamma: 0.01",
    "np_rnn": "kind: np_rnn",
}
CASES: list[tuple[str, Module, ri.Policy]] = [
    *((f"{name} {module.__name__}", module, policy(f"kind: recurrent -> {init}")) for name, init in RECURRENT.items() for module in (rnn, lstm, gru, cells)),
    ("recurrent_bn lstm", lstm, policy("kind: recurrent -> kind: recurrent_bn")),
    ("recurrent_bn gru", gru, policy("kind: recurrent -> kind: recurrent_bn, candidate: new")),
    ("recurrent_bn cell", lambda: nn.LSTMCell(5, 16), policy("kind: recurrent -> kind: recurrent_bn")),
    ("linspace", lstm, policy("kind: bias, gate: forget -> kind: linspace, low: 3.0, high: 6.0")),
    ("linspace gru", gru, policy("kind: bias, gate: update -> kind: linspace, low: 2.0, high: -1.0")),
    ("sparse input", lstm, policy("kind: input -> kind: sparse, nonzero: 3, std: 1.0")),
    ("singular values of convolutions", convolutions, policy("parameter: weight -> kind: singular_values, low: 0.5, high: 0.7")),
    ("delta_orthogonal", convolutions, policy("parameter: weight -> kind: delta_orthogonal, gain: 1.4")),
    ("indrnn", Independent, policy("parameter: recurrent -> kind: indrnn, steps: 200, last: true")),
]  # fmt: skip
every_case = pytest.mark.parametrize(("module", "rules"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])


def seeded(module: Module) -> nn.Module:
    torch.manual_seed(0)
    return module()


def ruined(model: nn.Module) -> nn.Module:
    for name, parameter in model.named_parameters():
        if "weight" in name or "recurrent" in name:
            nn.init.normal_(parameter, 0.0, 0.05)
        else:
            nn.init.uniform_(parameter, -0.1, 0.1)
    return model


@every_case
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
def test_applied_it_checks_clean_and_ruined_it_does_not(module: Module, rules: ri.Policy, dtype: torch.dtype) -> None:
    model = seeded(module).to(dtype)
    report = ri.apply(model, rules)
    assert report.ok and {row.status for row in report.rows} >= {"written"}
    assert ri.check(model, rules).findings == ()
    assert ri.check(deepcopy(model).to(torch.bfloat16), rules).findings == (), "cast afterwards"
    codes = {finding.code for finding in ri.check(ruined(model), rules).findings}
    assert codes <= {"RNN201", "RNN202", "RNN203"} and codes


@every_case
def test_the_same_policy_gives_the_same_bits_and_attach_gives_them_too(module: Module, rules: ri.Policy) -> None:
    one, two, pending = (seeded(module) for _ in range(3))
    ri.apply(one, rules), ri.apply(two, rules)
    ri.attach(pending, rules), ri.materialize(pending)
    decided = ri.plan(one, rules)
    written = {piece.member.name for row in decided.rows if row.status == "write" for piece in decided.slot(row.address).pieces}
    for name in written:
        parameter = one.get_parameter(name)
        assert torch.equal(parameter, two.get_parameter(name)) and torch.equal(parameter, pending.get_parameter(name))
    assert written


def test_layers_and_directions_of_recurrent_bn_have_draws_of_their_own() -> None:
    model = nn.LSTM(5, 8, num_layers=2, bidirectional=True)
    ri.apply(model, policy("kind: recurrent -> kind: recurrent_bn"))
    firsts = {getattr(model, f"weight_hh_l{name}")[0, 0].item() for name in ("0", "0_reverse", "1", "1_reverse")}
    assert len(firsts) == 4
    for name in ("0", "0_reverse", "1", "1_reverse"):
        i, f, g, o = getattr(model, f"weight_hh_l{name}").detach().double().split(8)
        assert torch.equal(g, torch.eye(8, dtype=torch.float64))
        assert (i.mT @ i + f.mT @ f + o.mT @ o - torch.eye(8)).abs().max() < 1e-5


def test_orthogonal_gates_are_no_recurrent_bn() -> None:
    rules = policy("kind: recurrent -> kind: recurrent_bn")
    model = nn.LSTM(5, 8)
    for gate in model.weight_hh_l0.data.split(8):
        nn.init.orthogonal_(gate)
    nn.init.eye_(model.weight_hh_l0.data[16:24])
    (finding,) = ri.check(model, rules).findings
    assert (finding.code, finding.address) == ("RNN201", "weight_hh_l0[input]")
    assert "input + forget + output together, gain is 1.73205" in finding.message
    nn.init.orthogonal_(model.weight_hh_l0)
    assert {f.address for f in ri.check(model, rules).findings} >= {"weight_hh_l0[cell]"}


@pytest.mark.parametrize(
    ("module", "rule", "words"),
    [
        (lstm, "kind: recurrent, gate: [forget, cell] -> kind: recurrent_bn", "it decides forget, cell of a layer, expected each of input"),
        (gru, "kind: recurrent -> kind: recurrent_bn", "needs the candidate gate 'cell'"),
        (lambda: nn.LSTM(5, 8, proj_size=3), "kind: recurrent -> kind: recurrent_bn", "needs a square matrix, and this block has shape (8, 3)"),
        (lambda: nn.LSTM(5, 8, proj_size=3), "kind: recurrent -> kind: rotations", "needs a square matrix, and this block has shape (8, 3)"),
        (lambda: nn.GRU(5, 12), "kind: recurrent -> kind: hadamard", "needs a power of two"),
        (lambda: nn.RNN(5, 1), "kind: recurrent -> kind: chain", "two units"),
        (lambda: nn.RNN(5, 1), "kind: bias -> kind: linspace, low: 0.0, high: 1.0", "both ends"),
        (lambda: nn.RNN(5, 4), "kind: recurrent -> kind: spectral_radius, radius: 0.9, density: 0.1", "nilpotent"),
        (lambda: nn.Conv2d(4, 2, 3), "parameter: weight -> kind: delta_orthogonal", "as many outputs as inputs"),
        (lambda: nn.Conv2d(4, 4, 2), "parameter: weight -> kind: delta_orthogonal", "even size"),
        (lambda: nn.RNN(5, 4), "kind: bias -> kind: indrnn, steps: 9", "is a bias"),
    ],
)  # fmt: skip
def test_what_cannot_hold_is_refused_before_the_first_write(module: Module, rule: str, words: str) -> None:
    model = module()
    before = deepcopy(model.state_dict())
    with pytest.raises(ri.PolicyError, match="RNN105") as caught:
        ri.apply(model, policy(rule))
    assert words in str(caught.value)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_one_unit_is_enough_for_most() -> None:
    for init in ("spectral_radius, radius: 0.95", "sparse, nonzero: 1, std: 0.5", "rotations", "cayley", "special_orthogonal", "householder, reflections: 3", "hadamard", "antisymmetric, gain: 1.0, gamma: 0.5", "np_rnn", "singular_values, low: 0.5, high: 1.0"):
        model, rules = nn.GRU(1, 1), policy(f"kind: recurrent -> kind: {init}")
        ri.apply(model, rules)
        assert ri.check(model, rules).findings == ()
        assert model.weight_hh_l0.abs().max() <= 3.0


@pytest.mark.parametrize("init", ["rotations", "special_orthogonal", "hadamard", "np_rnn", "sparse, nonzero: 1, std: 0.5", "spectral_radius, radius: 0.9", "singular_values, low: 0.5, high: 1.0"])
def test_a_table_that_keeps_its_padding_row_is_no_such_matrix(init: str) -> None:
    rules = policy(f"parameter: weight -> kind: {init}")
    with pytest.raises(ri.PolicyError, match="the padding row of an embedding is kept"):
        ri.apply(nn.Embedding(16, 16, padding_idx=0), rules)
    ri.apply(nn.Embedding(16, 16), rules)


def test_a_plan_on_the_meta_device_says_the_same() -> None:
    with torch.device("meta"):
        model = nn.LSTM(5, 16)
    decided = ri.plan(model, policy("kind: recurrent -> kind: recurrent_bn"))
    assert decided.ok and {row.recipe for row in decided.rows if row.status == "write"} == {"recurrent_bn(candidate='cell')"}

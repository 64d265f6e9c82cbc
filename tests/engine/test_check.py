"""check finds the defects that people make, on models that somebody else initialised, and passes what is right."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import rnninit_hooks as ri

BIASES = (
    "version: 1\nuntouched: allow\nrules:\n"
    "  - {id: zero, match: {kind: bias}, init: {kind: zeros}}\n"
    "  - {id: open, match: {kind: bias, gate: forget}, init: {kind: constant, value: 1.0}}\n"
)


def codes(model, policy) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for finding in ri.check(model, policy).findings:
        found.setdefault(finding.code, []).append(finding.address)
    return found


def zeroed(**facts) -> nn.LSTM:
    model = nn.LSTM(16, 16, **facts)
    for name, parameter in model.named_parameters():
        if "bias" in name:
            nn.init.zeros_(parameter)
    return model


def test_the_doubled_forget_bias_is_found_with_its_value():
    model = zeroed()
    for name, parameter in model.named_parameters():
        if "bias" in name:
            parameter.data[16:32].fill_(1.0)
    (finding,) = ri.check(model, ri.loads(BIASES)).findings
    assert (finding.code, finding.address) == ("RNN202", "bias_l0[forget]")
    assert "2" in finding.message and "bias_ih_l0 + bias_hh_l0" in finding.fix


def test_layer_0_only_and_reverse_missed_are_found():
    model = zeroed(num_layers=2, bidirectional=True)
    model.bias_hh_l0.data[16:32].fill_(1.0)
    found = codes(model, ri.loads(BIASES))
    assert found["RNN202"] == [f"bias_l{name}[forget]" for name in ("0_reverse", "1", "1_reverse")]
    (uneven,) = [f for f in ri.check(model, ri.loads(BIASES)).findings if f.code == "RNN204"]
    assert "holds in layer 0, but not in layer 0 reverse, layer 1, layer 1 reverse" in uneven.message


def test_one_bias_set_and_its_partner_left_at_default_is_found():
    model = zeroed()
    model.bias_ih_l0.data[16:32].fill_(1.0)
    nn.init.uniform_(model.bias_hh_l0, -0.25, 0.25)
    assert "bias_l0[forget]" in codes(model, ri.loads(BIASES))["RNN202"]


def test_the_half_and_half_split_is_right():
    model = zeroed()
    for bias in (model.bias_ih_l0, model.bias_hh_l0):
        bias.data[16:32].fill_(0.5)
    assert ri.check(model, ri.loads(BIASES)).clean


def test_the_wrong_gate_is_found():
    model = zeroed()
    model.bias_ih_l0.data[32:48].fill_(1.0)
    assert sorted(codes(model, ri.loads(BIASES))["RNN202"]) == ["bias_l0[cell]", "bias_l0[forget]"]


@pytest.mark.parametrize("size", [16, 64])
@pytest.mark.parametrize(("cls", "name"), [(nn.LSTM, "lstm-classic"), (nn.GRU, "gru-classic")])
def test_stacked_orthogonal_and_stacked_xavier_are_told_from_per_gate(cls, name, size):
    model = cls(size, size)
    ri.apply(model, name)
    nn.init.orthogonal_(model.weight_hh_l0)
    found = codes(model, name)
    assert set(found) == {"RNN203"}
    assert {address.split("[")[0] for address in found["RNN203"]} == {"weight_hh_l0"}
    ri.apply(model, name)
    nn.init.xavier_uniform_(model.weight_ih_l0)
    found = codes(model, name)
    assert set(found) == {"RNN203"}
    assert {address.split("[")[0] for address in found["RNN203"]} == {"weight_ih_l0"}


def test_one_gate_orthogonal_stacked_or_not_is_the_same_for_a_plain_rnn():
    model = nn.RNN(16, 16)
    ri.apply(model, "rnn-orthogonal")
    nn.init.orthogonal_(model.weight_hh_l0)
    assert ri.check(model, "rnn-orthogonal").clean


def test_torch_s_own_reset_is_torch_default_and_not_classic():
    torch.manual_seed(0)
    for cls in (nn.LSTM, nn.GRU, nn.RNN, nn.LSTMCell, nn.GRUCell, nn.RNNCell):
        model = cls(32, 32)
        assert ri.check(model, "torch-default").ok, str(ri.check(model, "torch-default"))
    assert not ri.check(nn.LSTM(32, 32), "lstm-classic").ok


def test_nan_is_found_by_its_own_code():
    model = nn.LSTM(4, 4)
    ri.apply(model, "lstm-classic")
    model.weight_hh_l0.data[5, 2] = float("nan")
    assert codes(model, "lstm-classic") == {"RNN205": ["weight_hh_l0[forget]"], "RNN204": ["weight_hh_l0[forget]"]} or codes(
        model, "lstm-classic"
    ) == {"RNN205": ["weight_hh_l0[forget]"]}


def test_check_writes_nothing_and_reports_every_row():
    model = nn.LSTM(4, 4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    report = ri.check(model, "lstm-classic")
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert {row.status for row in report.rows} <= {"obeys", "breaks"}
    assert len(report.rows) == 12


def test_meta_cannot_be_judged():
    with torch.device("meta"):
        report = ri.check(nn.LSTM(4, 4), "lstm-classic")
    assert not report.ok
    assert {finding.code for finding in report.findings} == {"RNN113"}


def test_an_allowed_breach_is_counted_not_lost():
    text = BIASES.replace("rules:", "allow:\n  - {code: RNN202, at: 'bias_l0[forget]', reason: legacy}\nrules:")
    report = ri.check(zeroed(), ri.loads(text))
    assert report.ok and [reason for _, reason in report.allowed] == ["legacy"]
    healthy = zeroed()
    ri.apply(healthy, ri.loads(BIASES))
    assert [finding.code for finding in ri.check(healthy, ri.loads(text)).findings] == ["RNN110"]


def test_inspect_measures_what_is_there():
    model = nn.LSTM(24, 24)
    ri.apply(model, "lstm-classic")
    table = ri.inspect(model)
    facts = table["weight_hh_l0[forget]"]
    assert facts.orthogonality < 1e-5
    assert facts.singular_max == pytest.approx(1, abs=1e-6) and facts.singular_min == pytest.approx(1, abs=1e-6)
    assert facts.spectral_radius == pytest.approx(1, abs=1e-6)
    stacked = nn.LSTM(24, 24)
    nn.init.orthogonal_(stacked.weight_hh_l0)
    assert ri.inspect(stacked)["weight_hh_l0[forget]"].orthogonality > 0.3
    bias = table["bias_l0[forget]"]
    assert (bias.effective_bias, bias.retention, bias.time_constant) == pytest.approx((1.0, 0.7310586, 3.7182818))
    with pytest.raises(KeyError, match="this table has"):
        table["nothing"]
    assert "bias_l0" in str(table)


def test_the_large_spectral_radius_agrees_with_the_exact_one():
    from rnninit_hooks import inspection

    generator = torch.Generator().manual_seed(3)
    matrix = torch.randn(60, 60, generator=generator, dtype=torch.float64)
    exact = inspection.spectral_radius(matrix)
    old, inspection.EXACT_SPECTRUM = inspection.EXACT_SPECTRUM, 10
    try:
        assert inspection.spectral_radius(matrix) == pytest.approx(exact, rel=0.01)
        assert inspection.spectral_radius(torch.zeros(11, 11, dtype=torch.float64)) == 0.0
    finally:
        inspection.EXACT_SPECTRUM = old

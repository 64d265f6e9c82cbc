"""Rule files on small models that store what LRU, S4D, Mamba, RWKV, RG-LRU and LMU layers store, from file to check."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import rnninit_hooks as ri


class Lru(nn.Module):
    """x' = lambda x + gamma B u, y = Re(C x) + D u."""

    def __init__(self, width: int, states: int) -> None:
        super().__init__()
        for name in ("nu_log", "theta_log", "gamma_log"):
            self.register_parameter(name, nn.Parameter(torch.zeros(states)))
        self.B_re, self.B_im = (nn.Parameter(torch.zeros(states, width)) for _ in range(2))
        self.C_re, self.C_im = (nn.Parameter(torch.zeros(width, states)) for _ in range(2))
        self.D = nn.Parameter(torch.zeros(width))

    def forward(self, inputs: Tensor) -> Tensor:
        lam = torch.polar((-self.nu_log.exp()).exp(), self.theta_log.exp())
        push = torch.complex(self.B_re, self.B_im) * self.gamma_log.exp()[:, None]
        state, out = torch.zeros(inputs.shape[0], len(lam), dtype=push.dtype), []
        for u in inputs.unbind(1):
            state = state * lam + u.to(push.dtype) @ push.mT
            out.append((state @ torch.complex(self.C_re, self.C_im).mT).real + u * self.D)
        return torch.stack(out, 1)


class S4dKernel(nn.Module):
    """The kernel of a diagonal state space, by its stored logarithms."""

    def __init__(self, channels: int, states: int) -> None:
        super().__init__()
        self.log_dt = nn.Parameter(torch.zeros(channels))
        self.log_A_real, self.A_imag = (nn.Parameter(torch.zeros(channels, states)) for _ in range(2))
        self.C = nn.Parameter(torch.zeros(channels, states, 2))

    def forward(self, length: int) -> Tensor:
        a = torch.complex(-self.log_A_real.exp(), self.A_imag)
        step = a * self.log_dt.exp()[:, None]
        powers = (step[..., None] * torch.arange(length)).exp()
        return 2.0 * torch.einsum("hn,hnl->hl", torch.view_as_complex(self.C) * (step.exp() - 1.0) / a, powers).real


class Mamba(nn.Module):
    """What Mamba's mixer stores, and its recurrence with inputs of one channel at a time."""

    def __init__(self, inner: int, states: int, rank: int, *, mark: bool) -> None:
        super().__init__()
        self.dt_proj = nn.Linear(rank, inner)
        self.A_log, self.D = nn.Parameter(torch.zeros(inner, states)), nn.Parameter(torch.zeros(inner))
        if mark:
            self.dt_proj.bias._no_reinit = True  # type: ignore[attr-defined]

    def forward(self, dt: Tensor, u: Tensor) -> Tensor:
        step = functional.softplus(self.dt_proj(dt))[..., None]
        state = torch.zeros_like(self.A_log)
        for now, x in zip(step.unbind(0), u.unbind(0), strict=True):
            state = state * (now * -self.A_log.exp()).exp() + now * x[:, None]
        return state.sum(-1) + self.D * u[-1]


class Rwkv(nn.Module):
    def __init__(self, layers: int, width: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.ModuleDict({"att": nn.ParameterDict({"time_decay": torch.zeros(1, 1, width)})}) for _ in range(layers))


LRU = """
version: 1
seed: 5
rules:
  - {id: ring, match: {module: Lru}, init: {kind: lru_ring, r_min: 0.9, r_max: 0.999, max_phase: 0.314}}
  - {id: in, match: {parameter: 'B_(re|im)'}, init: {kind: lecun_normal, gain: 0.7071067811865476}}
  - {id: out, match: {parameter: 'C_(re|im)'}, init: {kind: lecun_normal}}
  - {id: skip, match: {parameter: 'D$'}, init: {kind: normal, std: 1.0}}
"""
S4D = """
version: 1
rules:
  - {id: step, match: {parameter: log_dt}, init: {kind: log_uniform, low: 0.001, high: 0.1, as_log: true}}
  - {id: a, match: {module: S4dKernel}, init: {kind: s4d_lin}}
  - {id: c, match: {parameter: 'C$'}, init: {kind: normal, std: 0.7071067811865476}}
"""
MAMBA = """
version: 1
rules:
  - {id: step, match: {parameter: 'dt_proj.bias'}, init: {kind: mamba_dt_bias}}
  - {id: mix, match: {parameter: 'dt_proj.weight'}, init: {kind: kaiming_uniform, a: 2.23606797749979}}
  - {id: a, match: {parameter: A_log}, init: {kind: s4d_real}}
  - {id: skip, match: {parameter: 'D$'}, init: {kind: ones}}
"""


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_an_lru(dtype: torch.dtype) -> None:
    model = nn.Sequential(Lru(8, 64), Lru(8, 64)).to(dtype)
    policy = ri.loads(LRU)
    assert ri.apply(model, policy).ok and ri.check(model, policy).ok
    for layer in model:
        radius = (-layer.nu_log.double().exp()).exp()
        assert radius.min() > 0.89 and radius.max() < 1.0
    assert not torch.equal(model[0].nu_log, model[1].nu_log)
    if dtype == torch.float32:
        out = model(torch.randn(4, 50, 8))
        assert out.isfinite().all() and 0.3 < out.std() < 30.0


def test_an_lru_whose_scale_was_drawn_anew_is_found_and_the_neighbour_is_named() -> None:
    model, policy = nn.Sequential(Lru(8, 64), Lru(8, 64)), ri.loads(LRU)
    ri.apply(model, policy)
    with torch.no_grad():
        model[1].gamma_log.copy_(model[0].gamma_log)
    (finding,) = ri.check(model, policy).findings
    assert finding.code == "RNN201" and "1.nu_log and 1.gamma_log" in finding.message
    with torch.no_grad():
        model[1].nu_log.copy_(model[0].nu_log)
    assert ri.check(model, policy).ok


def test_an_lru_without_scale_and_one_whose_radius_another_rule_has() -> None:
    model, policy = Lru(8, 64), ri.loads(LRU)
    kept = ri.Policy(rules=[*policy.rules, ri.Rule(id="mine", match=ri.Match(parameter="nu_log"), init=ri.Keep())])
    before = [parameter.detach().clone() for parameter in model.parameters()]
    with pytest.raises(ri.PolicyError, match="gamma_log follows nu_log beside it, which this rule does not decide"):
        ri.apply(model, kept)
    assert all(torch.equal(was, now) for was, now in zip(before, model.parameters(), strict=True))
    del model.gamma_log
    assert ri.apply(model, policy).ok


def test_an_lru_rule_that_reaches_no_such_parameter() -> None:
    with pytest.raises(ri.PolicyError, match="does not write this slot"):
        ri.apply(nn.Linear(2, 2), ri.Policy(rules=[ri.Rule(id="r", match=ri.Match(module="Linear"), init=ri.LruRing())]))


def test_an_lru_pending_on_meta_equals_one_applied() -> None:
    policy, eager = ri.loads(LRU), Lru(8, 16)
    ri.apply(eager, policy)
    with torch.device("meta"):
        meta = Lru(8, 16)
    assert ri.plan(meta, policy).ok
    ri.attach(meta, policy)
    ri.materialize(meta, device="cpu")
    assert all(torch.equal(one, two) for one, two in zip(eager.parameters(), meta.parameters(), strict=True))


def test_an_s4d_kernel() -> None:
    kernel, policy = S4dKernel(32, 16), ri.loads(S4D)
    assert ri.apply(kernel, policy).ok and ri.check(kernel, policy).ok
    assert kernel(100).isfinite().all()
    assert torch.allclose(kernel.log_A_real.exp(), torch.tensor(0.5)) and torch.allclose(kernel.A_imag[3], math.pi * torch.arange(16.0))
    dt = kernel.log_dt.exp()
    assert dt.min() > 0.001 * 0.999 and dt.max() < 0.1 * 1.001
    with torch.no_grad():
        kernel.A_imag.add_(math.pi)
        kernel.log_dt.exp_()
    assert {finding.address for finding in ri.check(kernel, policy).findings} == {"A_imag", "log_dt"}


def test_a_mamba_mixer() -> None:
    mixer, policy = Mamba(64, 16, 4, mark=False), ri.loads(MAMBA)
    assert ri.apply(mixer, policy).ok and ri.check(mixer, policy).ok
    dt = functional.softplus(mixer.dt_proj.bias)
    assert dt.min() > 0.001 * 0.999 and dt.max() < 0.1 * 1.001
    assert torch.allclose(mixer.A_log.exp(), torch.arange(1.0, 17.0).expand(64, 16))
    assert mixer.dt_proj.weight.abs().max() <= 0.5 and mixer(torch.randn(9, 4), torch.randn(9, 64)).isfinite().all()
    with torch.no_grad():
        mixer.dt_proj.bias.zero_()
    assert [finding.code for finding in ri.check(mixer, policy).findings] == ["RNN201"]


def test_a_mamba_bias_that_is_marked_is_kept_and_said_so() -> None:
    mixer, policy = Mamba(64, 16, 4, mark=True), ri.loads(MAMBA)
    before = mixer.dt_proj.bias.detach().clone()
    with pytest.warns(ri.RnnInitWarning, match="RNN115"):
        report = ri.apply(mixer, policy)
    assert torch.equal(mixer.dt_proj.bias, before)
    assert [(f.code, f.address) for f in report.findings] == [("RNN115", "dt_proj.bias")]
    assert torch.equal(mixer.D, torch.ones(64))
    del mixer.dt_proj.bias._no_reinit
    assert not ri.apply(mixer, policy).findings
    assert ri.check(mixer, policy).ok and not torch.equal(mixer.dt_proj.bias, before)


@pytest.mark.parametrize("low", [1.0, 0.0])
def test_heads_of_mamba_two(low: float) -> None:
    heads = nn.ParameterDict({"A_log": torch.zeros(24), "dt_bias": torch.zeros(24)})
    rules = [
        ri.Rule(id="a", match=ri.Match(parameter="A_log"), init=ri.Mamba2ALog(low=low)),
        ri.Rule(id="b", match=ri.Match(parameter="dt_bias"), init=ri.MambaDtBias()),
    ]
    assert ri.apply(heads, ri.Policy(rules=rules)).ok and ri.check(heads, ri.Policy(rules=rules)).ok
    assert low <= heads["A_log"].exp().min() and heads["A_log"].exp().max() <= 16.001


def test_every_layer_of_an_rwkv_by_one_rule() -> None:
    model = Rwkv(4, 32)
    text = "version: 1\nrules:\n  - {id: decay, match: {parameter: time_decay}, init: {kind: rwkv_decay, version: v6, layers: 4}}\n"
    policy = ri.loads(text)
    assert ri.apply(model, policy).ok and ri.check(model, policy).ok
    curves = [block["att"]["time_decay"].flatten() for block in model.blocks]
    assert all((deep <= shallow + 1e-6).all() and not torch.equal(deep, shallow) for shallow, deep in itertools.pairwise(curves))
    model.blocks[0], model.blocks[3] = model.blocks[3], model.blocks[0]
    assert {finding.address for finding in ri.check(model, policy).findings} == {f"blocks.{i}.att.time_decay" for i in (0, 3)}
    with pytest.raises(ri.PolicyError, match="rwkv_decay of 4 layers meets layer 4"):
        ri.apply(Rwkv(5, 32), policy)


def test_an_rg_lru_and_an_lmu_in_one_file(tmp_path: Path) -> None:
    model = nn.ParameterDict({"a_param": torch.zeros(64), "A": torch.zeros(12, 12), "B": torch.zeros(12, 1)})
    file = tmp_path / "mixed.rules.yaml"
    file.write_text(
        "version: 1\nrules:\n  - {id: ring, match: {parameter: a_param}, init: {kind: rg_lru}}\n"
        "  - {id: a, match: {parameter: ^A}, init: {kind: hippo, measure: lmu, window: 20}}\n"
        "  - {id: b, match: {parameter: B}, init: {kind: hippo, measure: lmu, matrix: B, window: 20}}\n"
    )
    assert ri.apply(model, file).ok and ri.check(model, file).ok
    base = torch.exp(-functional.softplus(model["a_param"]))
    assert base.min() >= 0.9 and base.max() <= 0.9991
    assert torch.linalg.eigvals(torch.matrix_exp(model["A"].double())).abs().max() < 1.0
    with torch.no_grad():
        model["A"].mul_(20.0)
    assert [finding.address for finding in ri.check(model, file).findings] == ["A"]
    assert ri.loads(ri.load(file).to_yaml()) == ri.load(file)


def test_the_schema_knows_them() -> None:
    schemas = {one["title"]: one for one in ri.json_schema()["properties"]["rules"]["items"]["properties"]["init"]["oneOf"]}
    assert schemas["pretrained"]["required"] == ["kind", "path"] and "located" not in schemas["pretrained"]["properties"]
    assert schemas["prior"]["properties"]["counts"]["items"] == {"type": "number", "exclusiveMinimum": 0.0}
    assert schemas["hippo"]["properties"]["measure"]["enum"] == ["legs", "legt", "lmu"]

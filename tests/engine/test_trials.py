"""Trials on the side agree with the modules themselves, run by torch, in every shape that they can have."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

from rnninit_hooks.dissection import dissect
from rnninit_hooks.recipes.draws import Keyed
from rnninit_hooks.trials import Given, trial_of
from rnninit_hooks.trials.given import Sequences
from rnninit_hooks.trials.plain import twin

CLASSES = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}
flags = st.booleans()


@st.composite
def called(draw):
    """A recurrent module in float64 and arguments for it: packed, batched, or one sequence alone."""
    name, layers, both = draw(st.sampled_from(sorted(CLASSES))), draw(st.integers(1, 3)), draw(flags)
    extra = {"proj_size": 2} if name == "LSTM" and draw(flags) else {}
    extra |= {"nonlinearity": draw(st.sampled_from(["tanh", "relu"]))} if name == "RNN" else {}
    torch.manual_seed(draw(st.integers(0, 99)))
    first = draw(flags)
    module = CLASSES[name](
        3, 4, layers, bias=draw(flags), batch_first=first, bidirectional=both, dtype=torch.float64, **extra
    )  # fmt: skip
    lengths = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    form = draw(st.sampled_from(["packed", "batched", "alone"]))
    if form == "packed":
        value = pack_sequence([torch.randn(n, 3, dtype=torch.float64) for n in lengths], enforce_sorted=False)
    else:
        shape = (6, 3) if form == "alone" else (2, 6, 3) if first else (6, 2, 3)
        value = torch.randn(*shape, dtype=torch.float64)
    return module, value, _start(module, form, len(lengths) if form == "packed" else 2) if draw(flags) else None


def _start(module, form, batch):
    lanes = module.num_layers * (1 + module.bidirectional)
    sizes = [module.proj_size or 4, *([4] if module.mode == "LSTM" else [])]
    states = [torch.randn(*((lanes, size) if form == "alone" else (lanes, batch, size)), dtype=torch.float64) for size in sizes]
    return tuple(states) if len(states) > 1 else states[0]


def slots_of(module, kind):
    return [slot for slot in dissect(module).slots if slot.kind == kind]


def trial_for(module, slot, *args):
    def hold(candidate):
        held = {name: value.detach().clone() for name, value in module.named_parameters()}
        if candidate is not None:
            slot.pieces[0].view(held[slot.member.local]).copy_(candidate)
        return held

    return trial_of(slot, hold, Given.of(args, {}))


def given_by(module, value, start):
    """(steps, batch, size) of the module's own output, and the sequences that it was called with."""
    found = module(value, start)[0]
    sequences = Sequences.of(value, batch_first=module.batch_first)
    if not isinstance(found, torch.Tensor):
        return pad_packed_sequence(found)[0], sequences
    return Sequences.of(found, batch_first=module.batch_first).steps, sequences


@given(called())
@settings(max_examples=150)
def test_states_are_those_of_the_module(case) -> None:
    module, value, start = case
    found, sequences = given_by(module, value, start)
    recurrent = [slot for slot in slots_of(module, "recurrent") if slot.layer == module.num_layers - 1]
    lanes = {slot.direction: trial_for(module, slot, value, start).states(slot.value()) for slot in recurrent}
    together = torch.cat([lanes[way] for way in ("forward", "reverse") if way in lanes], dim=-1)
    assert torch.allclose(together, sequences.valid(found).detach(), atol=1e-12)


@given(called())
def test_the_response_of_a_gate_is_its_block_times_what_comes_from_below(case) -> None:
    module, value, start = case
    sequences = Sequences.of(value, batch_first=module.batch_first)
    for slot in (slot for slot in slots_of(module, "input") if slot.layer == 0):
        candidate = torch.randn(slot.shape, dtype=torch.float64)
        found = trial_for(module, slot, value, start).response(candidate)
        assert torch.allclose(found, sequences.valid(sequences.steps) @ candidate.T)


@given(st.sampled_from(["LSTM", "GRU"]), flags, st.integers(1, 6), st.integers(0, 99))
def test_the_echo_is_the_gradient_that_autograd_finds_through_the_module(name, back, steps, seed) -> None:
    torch.manual_seed(seed)
    module = CLASSES[name](3, 4, bidirectional=back, dtype=torch.float64)
    value = torch.randn(6, 2, 3, dtype=torch.float64)
    way = "reverse" if back else "forward"
    slot = next(s for s in slots_of(module, "bias") if s.polarity and s.direction == way)
    trial = trial_of(slot, lambda _: dict(module.named_parameters()), Given.of((value,), {}))
    found = trial.echo(slot.value(), steps, Keyed(seed, "aim"))
    sizes = [torch.zeros(1 + back, 2, 4, dtype=torch.float64, requires_grad=True) for _ in range(2 if name == "LSTM" else 1)]
    given = value[-steps:] if back else value[:steps]
    out = module(given, tuple(sizes) if name == "LSTM" else sizes[0])[0]
    last = out[0, :, 4:] if back else out[-1]
    aim = Keyed(seed, "aim").normal(2, 4)
    (last * aim / aim.norm(dim=1, keepdim=True)).sum().backward()
    assert found == pytest.approx(float((sum(s.grad.square().sum() for s in sizes) / 2).sqrt()), rel=1e-9)


class Scaled(nn.Linear):
    """A layer with a forward of its own, a buffer and a counter."""

    def __init__(self) -> None:
        super().__init__(3, 4)
        self.register_buffer("seen", torch.zeros(()))
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        self.seen += 1
        return 2 * super().forward(x)


def test_a_twin_runs_the_class_s_own_forward_and_leaves_the_module_alone() -> None:
    module, inputs = Scaled(), torch.ones(2, 3, dtype=torch.float64)
    weight = torch.full((4, 3), 0.5, dtype=torch.float64)
    before, stream = dict(module.__dict__), torch.get_rng_state()
    found = twin(module, {"weight": weight, "bias": torch.zeros(4, dtype=torch.float64)}).forward(inputs)
    assert torch.equal(found, torch.full((2, 4), 3.0, dtype=torch.float64))
    assert module.calls == 0 and module.seen == 0 and module.__dict__ == before
    assert torch.equal(stream, torch.get_rng_state())


@pytest.mark.parametrize(
    "wrapped", [lambda m: m, nn.utils.parametrizations.weight_norm], ids=["plain", "parametrized"]
)  # fmt: skip
def test_a_twin_of_a_convolution_keeps_its_settings(wrapped) -> None:
    module = wrapped(nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, padding_mode="circular", bias=False).double())
    inputs = torch.randn(2, 4, 7, 7, dtype=torch.float64)
    assert torch.equal(twin(module, {"weight": module.weight.detach()}).forward(inputs), module(inputs))

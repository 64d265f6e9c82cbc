"""Any order of what people do to modules: no bit depends on it, nothing written is lost, nothing is left behind."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import warnings

import pytest
import torch
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from torch import nn
from torch.nn.modules import module as registry
from torch.optim.swa_utils import AveragedModel

import rnninit_hooks as ri
from rnninit_hooks.hooks import ledger as ledgers
from rnninit_hooks.hooks import owners, watch
from rnninit_hooks.testing import models, policies, sample_input
from rnninit_hooks.writers import Door
from tests.lifecycle.table import bits, differing, traces

GATED = (nn.RNNBase, nn.RNNCellBase)


KINDS = ("input", "recurrent", "projection", "bias")
EVERY_SLOT = tuple(ri.Rule(id=f"all-{k}", match=ri.Match(kind=k), init=ri.Uniform(low=-0.5, high=0.5)) for k in KINDS)


class Body(nn.Module):
    """Random gated modules, all of them run by one forward."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def parts(self) -> list[nn.Module]:
        return [module for module in self.modules() if isinstance(module, GATED)]

    def forward(self) -> None:
        for part in self.parts():
            part(sample_input(part))


def saved(model: nn.Module) -> nn.Module:
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


COPIERS = (copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model)), saved)


def write_no_grad(owner, name, value):
    with torch.no_grad():
        owner._parameters[name].copy_(value)


def write_numpy(owner, name, value):
    owner._parameters[name].detach().numpy()[...] = value.numpy()


def write_vector(owner, name, value):
    nn.utils.vector_to_parameters(value.flatten(), [owner._parameters[name]])


WRITERS = (
    write_no_grad, write_numpy, write_vector,
    lambda owner, name, value: owner._parameters[name].data.copy_(value),
    lambda owner, name, value: setattr(owner._parameters[name], "data", value.clone()),
    lambda owner, name, value: setattr(owner, name, nn.Parameter(value.clone())),
)  # fmt: skip
MOVES = (nn.Module.share_memory, lambda m: m.to("cpu"), nn.Module.eval, lambda m: m.requires_grad_(False))


class Lifecycle(RuleBasedStateMachine):
    """`model` waits; `twin` was initialised at once; whatever happens to one happens to the other."""

    @initialize(inner=models(max_size=5), policy=policies())
    def begin(self, inner, policy):
        if ledgers.any_live():  # of an example that failed, or kept by a tool of torch
            gc.collect()
            ledgers._live.clear()
        watch._stop()
        policy = policy.model_copy(update={"rules": (*EVERY_SLOT, *policy.rules)})
        self.policy, self.model = policy, Body(inner)
        self.twin = copy.deepcopy(self.model)
        self.stream = torch.get_rng_state()
        ri.apply(self.twin, policy)
        self.handle = ri.attach(self.model, policy)
        self.others: list[tuple[Body, Body]] = []
        self.copied = False

    def waits(self) -> bool:
        return any(True for _ in ledgers.pending(self.model))

    def both(self):
        return self.model, self.twin

    @rule(data=st.data(), assign=st.booleans(), value=st.floats(-1, 1, width=32))
    def load(self, data, assign, value):
        names = [name for name, _ in self.twin.named_parameters()]
        chosen = data.draw(st.lists(st.sampled_from(names), unique=True, min_size=1))
        shapes = {name: parameter.shape for name, parameter in self.twin.named_parameters()}
        state = {name: torch.full(shapes[name], value) for name in chosen}
        for one in self.both():
            one.load_state_dict({name: tensor.clone() for name, tensor in state.items()}, strict=False, assign=assign)

    @rule(data=st.data(), value=st.floats(-1, 1, width=32))
    def load_part(self, data, value):
        index = data.draw(st.integers(0, len(self.model.parts()) - 1))
        state = {name: torch.full(tensor.shape, value) for name, tensor in self.twin.parts()[index].named_parameters()}
        for one in self.both():
            one.parts()[index].load_state_dict(state)

    @rule(data=st.data(), way=st.sampled_from(WRITERS), value=st.floats(1.5, 2, width=32))
    def write(self, data, way, value):
        index = data.draw(st.integers(0, len(self.model.parts()) - 1))
        name = data.draw(st.sampled_from(sorted(self.model.parts()[index]._parameters)))
        for one in self.both():
            part = one.parts()[index]
            if part._parameters[name] is not None:
                way(part, name, torch.full(part._parameters[name].shape, value))

    @rule(copier=st.sampled_from(COPIERS), follow=st.booleans())
    def copied_to(self, copier, follow):
        twin = copy.deepcopy(self.twin)
        other = copier(self.model)
        self.others.append((self.model, twin) if follow else (other, twin))
        self.model = other if follow else self.model
        self.copied = self.copied or follow

    @rule(move=st.sampled_from(MOVES))
    def move(self, move):
        for one in self.both():
            move(one)

    @rule()
    def state_dict(self):
        assert not differing(dict(self.model.state_dict()), dict(self.twin.state_dict()))
        assert not self.waits()

    @rule(data=st.data())
    def part_first(self, data):
        index = data.draw(st.integers(0, len(self.model.parts()) - 1))
        part, twin = (one.parts()[index] for one in self.both())
        got, wanted = part(sample_input(part)), twin(sample_input(twin))
        got, wanted = (out if isinstance(out, torch.Tensor) else out[0] for out in (got, wanted))
        assert torch.equal(got, wanted), "a part ran on something else"

    @rule()
    def averaged(self):
        average = AveragedModel(self.model)
        assert not differing(bits(average), bits(self.twin))

    @precondition(lambda self: self.waits())
    @rule()
    def attached_again(self):
        again = ri.attach(self.model, self.policy)
        assert self.copied or again.status == self.handle.status

    @rule(at=st.integers(1, 4))
    def disk_on_fire(self, at):
        before, waited = bits(self.model), self.waits()
        real, count = Door.write, iter(range(1, 10**6))

        def write(door, owner, local, value):
            if next(count) == at:
                raise RuntimeError("disk on fire")
            real(door, owner, local, value)

        Door.write = write
        try:
            self.model()
        except ri.WriteError:
            assert waited and self.waits() and not differing(bits(self.model), before), "half written"
        finally:
            Door.write = real

    @rule()
    def forward(self):
        self.model()
        assert not traces(self.model)

    @invariant()
    def global_stream_stays(self):
        assert torch.equal(torch.get_rng_state(), self.stream)

    def teardown(self):
        if not hasattr(self, "others"):
            return
        for model, twin in [*self.others, self.both()]:
            model()
            assert not differing(bits(model), bits(twin)), "another model than at once"
            assert not traces(model), traces(model)
        assert not self.handle.pending or self.copied
        ri.materialize(self.model)  # a wrapper settles while torch walks over these hooks: they go with the next settling
        assert not registry._global_module_registration_hooks and not registry._global_parameter_registration_hooks


def run(examples: int, steps: int, phases: tuple[Phase, ...] = tuple(Phase)) -> None:
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    how = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, derandomize=True, phases=phases,
        suppress_health_check=checks,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ri.RnnInitWarning)
        run_state_machine_as_test(Lifecycle, settings=how)


def test_any_sequence_ends_where_an_immediate_initialisation_does():
    run(examples=80, steps=10)


@pytest.mark.slow
def test_thousands_of_sequences_end_where_an_immediate_initialisation_does():
    run(examples=2500, steps=12)


BREAKS = {
    "forgets what was written": (owners, "touched", lambda tensor, before: False),
    "never asks for the content": (owners, "touched", lambda tensor, before: before.version not in (None, tensor._version)),
    "leaves its hooks": (watch.removal, "_known", set()),
}


@pytest.mark.parametrize("name", BREAKS)
def test_the_machine_sees_a_flush_that(name, monkeypatch):
    monkeypatch.setattr(*BREAKS[name])
    with pytest.raises(AssertionError):
        run(examples=60, steps=8, phases=(Phase.generate,))
    monkeypatch.undo()
    gc.collect()
    watch._stop()

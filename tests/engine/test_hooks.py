"""Pending initialisation: it equals apply, or keeps what was loaded or written, or says what to do. Never a fourth thing."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import threading

import pytest
import torch
from torch import nn
from torch.nn.modules import module as registry
from torch.nn.utils import parametrizations
from torch.optim.swa_utils import AveragedModel

import rnninit_hooks as ri
from rnninit_hooks.hooks import ledger, watch


class Net(nn.Module):
    """A recurrent net with a second entry point."""

    def __init__(self, hidden: int = 6) -> None:
        super().__init__()
        self.encoder = nn.LSTM(4, hidden, num_layers=2)
        self.head = nn.Linear(hidden, 2)

    def forward(self, x):
        return self.head(self.encoder(x)[0])

    def generate(self, x):
        return self.encoder(x)[0]


X = torch.ones(3, 1, 4)
POLICY = "lstm-classic"


@pytest.fixture(autouse=True)
def _nothing_pending_from_before():
    gc.collect()
    ledger._live.clear()  # of tests that left a model pending which a tool of torch keeps alive
    watch._stop()


def bits(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(one, two):
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def fresh(seed: int = 0) -> Net:
    torch.manual_seed(seed)
    return Net()


def eager(seed: int = 0) -> dict[str, torch.Tensor]:
    model = fresh(seed)
    ri.apply(model, POLICY)
    return bits(model)


def traces(model) -> list[str]:
    found = [f"{name}.{key}" for name, module in model.named_modules() for key in module.__dict__ if key.startswith("_rnninit")]
    for name, module in model.named_modules():
        found += [
            f"{name}.{r}"
            for r in ("_forward_pre_hooks", "_load_state_dict_pre_hooks", "_state_dict_pre_hooks")
            if getattr(module, r)
        ]
    return found


def settled(model) -> bool:
    return not traces(model)


def test_the_first_forward_writes_and_leaves_no_trace():
    model = fresh()
    handle = ri.attach(model, POLICY)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    assert traces(model) and handle.pending
    assert set(handle.status.values()) == {"pending", "untouched"}
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters()), "attach writes nothing"
    model(X)
    assert settled(model) and not handle.pending
    assert same(bits(model), eager())
    assert handle.status["encoder.bias_l1[forget]"] == "written"
    assert not registry._global_module_registration_hooks and not registry._global_parameter_registration_hooks
    with torch.no_grad():
        model.encoder.weight_hh_l0.zero_()
    model(X)
    assert (model.encoder.weight_hh_l0 == 0).all(), "a second forward initialises nothing"


def test_a_part_called_before_its_root_settles_that_part_with_the_root_s_names():
    model = fresh()
    handle = ri.attach(model, POLICY)
    model.generate(X)
    assert not handle.pending
    model(X)
    assert settled(model) and same(bits(model), eager())


def test_attach_twice_is_once_and_another_policy_is_refused():
    model = fresh()
    one, two = ri.attach(model, POLICY), ri.attach(model, POLICY)
    with pytest.raises(ri.PendingInit, match="another policy is pending"):
        ri.attach(model, "torch-default")
    model(X)
    assert one.status == two.status and settled(model)


def test_a_handle_takes_the_attachment_back():
    model = fresh()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    handle = ri.attach(model, POLICY)
    handle.remove()
    handle.remove()
    model(X)
    assert settled(model)
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())


def test_a_policy_that_does_not_fit_is_refused_when_attached():
    model = nn.GRU(2, 2)
    with pytest.raises(ri.PolicyError, match="RNN104"):
        ri.attach(model, ri.loads("version: 1\nrules:\n  - {id: f, match: {kind: bias, gate: forget}, init: {kind: zeros}}\n"))
    assert settled(model)


def test_a_loaded_checkpoint_is_never_overwritten():
    donor = bits(fresh(seed=1))
    model = fresh()
    handle = ri.attach(model, POLICY)
    model.load_state_dict(donor)
    model(X)
    assert same(bits(model), donor) and settled(model)
    assert set(handle.status.values()) == {"loaded", "untouched"}


@pytest.mark.parametrize("assign", [False, True])
def test_a_partial_load_initialises_exactly_the_rest(assign):
    donor = {name: value for name, value in bits(fresh(seed=1)).items() if "l0" in name}
    model = fresh()
    ri.attach(model, POLICY)
    model.load_state_dict(donor, strict=False, assign=assign)
    model(X)
    expected = {**eager(), **donor}
    assert same(bits(model), expected) and settled(model)


def test_a_load_into_a_submodule_is_seen():
    donor = bits(fresh(seed=1).encoder)
    model = fresh()
    ri.attach(model, POLICY)
    model.encoder.load_state_dict(donor)
    model(X)
    assert same(bits(model.encoder), donor)


@pytest.mark.parametrize("way", ["no_grad", "data_copy", "data_assign", "numpy", "vector", "parameter"])
def test_what_somebody_wrote_meanwhile_is_kept_and_said(way):
    model = fresh()
    handle = ri.attach(model, POLICY)
    weight = model.encoder.weight_hh_l0
    value = torch.full_like(weight, 0.125)
    if way == "no_grad":
        with torch.no_grad():
            weight.copy_(value)
    elif way == "data_copy":
        weight.data.copy_(value)
    elif way == "data_assign":
        weight.data = value.clone()
    elif way == "numpy":
        weight.detach().numpy()[:] = 0.125
    elif way == "vector":
        nn.utils.vector_to_parameters(value.flatten(), [weight])
    else:
        model.encoder.weight_hh_l0 = nn.Parameter(value.clone())
    with pytest.warns(ri.RnnInitWarning, match="RNN115"):
        model(X)
    assert torch.equal(model.encoder.weight_hh_l0, value) and settled(model)
    assert handle.status["encoder.weight_hh_l0[forget]"] == "touched"
    assert handle.status["encoder.weight_hh_l1[forget]"] == "written"
    rest = {name: tensor for name, tensor in eager().items() if name != "encoder.weight_hh_l0"}
    assert all(torch.equal(bits(model)[name], tensor) for name, tensor in rest.items())


@pytest.mark.parametrize("cast", [lambda m: m.double(), lambda m: m.half(), lambda m: m.to("cpu"), lambda m: m.share_memory()])
def test_moving_or_casting_is_no_write(cast):
    model = fresh()
    handle = ri.attach(model, POLICY)
    cast(model)
    ri.materialize(model)
    written = {address for address, state in handle.status.items() if state == "written"}
    assert len(written) == 24
    assert all(
        torch.allclose(bits(model)[name].float(), value, atol=1e-3) for name, value in eager().items() if "encoder" in name
    )


def test_state_dict_settles_first():
    model = fresh()
    ri.attach(model, POLICY)
    assert same(model.state_dict(), eager()) and settled(model)


def test_an_optimizer_made_before_the_first_forward_trains_the_parameters():
    model = fresh()
    ri.attach(model, POLICY)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    model(X).sum().backward()
    optimizer.step()
    assert not torch.equal(model.encoder.weight_hh_l1, eager()["encoder.weight_hh_l1"])


@pytest.mark.filterwarnings("ignore::FutureWarning")  # torch 2.4 pickles tensors through torch.load
@pytest.mark.parametrize("copier", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_of_a_pending_model_are_pending_themselves_and_agree(copier):
    model = fresh()
    ri.attach(model, POLICY)
    twin = copier(model)
    twin(X)
    assert traces(model), "the original is still pending"
    assert settled(twin)
    model(X)
    assert same(bits(twin), eager()) and same(bits(model), eager())


def test_a_saved_pending_model_is_pending_when_loaded():
    model, buffer = fresh(), io.BytesIO()
    ri.attach(model, POLICY)
    torch.save(model, buffer)
    buffer.seek(0)
    again = torch.load(buffer, weights_only=False)
    again(X)
    assert settled(again) and same(bits(again), eager())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.compile's own imports
def test_wrappers_settle_before_they_copy_broadcast_or_trace():
    for wrap in (AveragedModel, torch.compile, nn.DataParallel):
        model = fresh()
        ri.attach(model, POLICY)
        wrapped = wrap(model)
        inner = next(iter(wrapped.children()))
        assert settled(inner) and same(bits(inner), eager()), wrap
        model(X)


def test_threads_racing_on_the_first_forward_all_see_the_finished_model():
    model = fresh()
    expected = fresh()
    ri.apply(expected, POLICY)
    wanted = expected(X)
    ri.attach(model, POLICY)
    outputs: list[torch.Tensor] = []
    barrier = threading.Barrier(8)

    def call():
        barrier.wait()
        outputs.append(model(X))

    threads = [threading.Thread(target=call) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(outputs) == 8
    assert all(torch.equal(output, wanted) for output in outputs)


def test_an_exception_half_way_leaves_everything_pending_and_can_be_retried(monkeypatch):
    from rnninit_hooks.writers import Door

    model = fresh()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    ri.attach(model, POLICY)
    real, calls = Door.write, []

    def flaky(self, owner, local, value):
        calls.append(local)
        if len(calls) == 4:
            raise RuntimeError("disk on fire")
        real(self, owner, local, value)

    monkeypatch.setattr(Door, "write", flaky)
    with pytest.raises(ri.WriteError, match="disk on fire"):
        model(X)
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert traces(model)
    model(X)
    assert settled(model) and same(bits(model), eager())


def test_functional_call_on_a_pending_model_says_what_to_do():
    model = fresh()
    ri.attach(model, POLICY)
    given = {name: p.detach().clone() for name, p in model.named_parameters()}
    kept = {name: value.clone() for name, value in given.items()}
    with pytest.raises(ri.PendingInit, match="materialize"):
        torch.func.functional_call(model, given, (X,))
    assert same(given, kept), "the caller's tensors are not written"
    ri.materialize(model)
    assert same(bits(model), eager())


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_export_and_trace_of_a_pending_model_say_what_to_do():
    for tool in (lambda m: torch.export.export(m, (X,), strict=False), lambda m: torch.jit.trace(m, (X,))):
        model = fresh()
        ri.attach(model, POLICY)
        try:
            tool(model)
        except ri.PendingInit as error:
            assert "materialize" in str(error)
        else:
            assert same(bits(model), eager())
        ri.materialize(model)  # some versions of torch keep what they failed to export


def test_the_global_random_stream_is_the_same_with_and_without_a_pending_initialisation():
    def dropped(attached: bool) -> torch.Tensor:
        torch.manual_seed(0)
        model = nn.LSTM(4, 4, num_layers=2, dropout=0.5)
        ri.attach(model, POLICY) if attached else ri.apply(model, POLICY)
        torch.manual_seed(1)
        return model(X)[0]

    assert torch.equal(dropped(True), dropped(False))


def test_lazy_modules_are_settled_in_their_first_forward():
    class LazyNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.LSTM(4, 4)
            self.out = nn.LazyLinear(2)

        def forward(self, x):
            return self.out(self.rnn(x)[0])

    rules = (
        "version: 1\nextends: builtin:lstm-classic\nrules:\n"
        "  - {id: out, match: {parameter: 'out\\.'}, init: {kind: constant, value: 0.5}}\n"
    )
    model = LazyNet()
    with pytest.warns(ri.RnnInitWarning, match="RNN101"):
        handle = ri.attach(model, ri.loads(rules))
    with pytest.raises(ri.PolicyError, match="no shape yet"):
        ri.apply(LazyNet(), ri.loads(rules.replace("'out\\.'", "'out\\.weight'")))
    model(X)
    assert (model.out.weight == 0.5).all() and (model.out.bias == 0.5).all()
    assert settled(model) and not handle.pending
    assert handle.status["out.weight"] == "written"


def test_meta_needs_materialize_and_says_so():
    with torch.device("meta"):
        model = Net()
    ri.attach(model, POLICY)
    with pytest.raises(ri.PendingInit, match="materialize"):
        model(X.to("meta"))
    keys = list(model.state_dict())
    assert traces(model), "a model without memory has nothing to save, and stays pending"
    assert ri.materialize(model, device="cpu") is model
    assert settled(model) and list(model.state_dict()) == keys
    assert all(torch.equal(bits(model)[name], value) for name, value in eager().items() if "encoder" in name)
    assert model(X).isfinite().all()


def test_materialize_keeps_ties_and_refuses_what_nobody_can_fill():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(5, 4)
            self.out = nn.Linear(4, 5)
            self.out.weight = self.words.weight

    rules = ri.loads("version: 1\nrules:\n  - {id: w, match: {parameter: words}, init: {kind: ones}}\n")
    with torch.device("meta"):
        model = Tied()
        odd = Tied()
        odd.extra = nn.Module()
        odd.extra.scale = nn.Parameter(torch.zeros(2))
    ri.attach(model, rules)
    ri.materialize(model, device="cpu")
    assert model.out.weight is model.words.weight and (model.words.weight == 1).all()
    assert model.out.bias.isfinite().all()
    ri.attach(odd, rules)
    with pytest.raises(ri.PendingInit, match="scale"):
        ri.materialize(odd, device="cpu")
    assert all(p.is_meta for p in odd.parameters())


@pytest.mark.parametrize("norm", ["new", "old"])
def test_weight_norm_is_written_through_its_door(norm):
    def normed():
        if norm == "new":
            return parametrizations.weight_norm(nn.LSTM(4, 6), "weight_hh_l0")
        with pytest.warns(FutureWarning):
            return nn.utils.weight_norm(nn.LSTM(4, 6), "weight_hh_l0")

    model, twin = normed(), normed()
    ri.apply(model, POLICY)
    ri.attach(twin, POLICY)
    model(X), twin(X)
    plain = nn.LSTM(4, 6)
    ri.apply(plain, POLICY)
    for written in (model, twin):
        assert torch.allclose(written.weight_hh_l0, plain.weight_hh_l0, atol=1e-6)
        assert ri.check(written, POLICY).ok


def test_a_parametrization_that_cannot_hold_the_value_is_an_error_and_nothing_is_written():
    model = parametrizations.orthogonal(nn.LSTM(4, 4), "weight_hh_l0")
    before = bits(model)
    with pytest.raises(ri.WriteError, match="reads back"):
        ri.apply(model, POLICY)
    assert same(before, bits(model))


def test_pruned_weights_are_written_under_their_mask():
    from torch.nn.utils import prune

    model = nn.Linear(4, 4)
    prune.l1_unstructured(model, "weight", amount=0.5)
    rule = ri.loads("version: 1\nrules:\n  - {id: w, match: {parameter: weight}, init: {kind: ones}}\n")
    with pytest.raises(ri.WriteError, match="pruned"):
        ri.apply(model, rule)


def test_a_decorated_class_covers_subclasses_that_add_layers_after_super():
    @ri.initialized(POLICY)
    class Base(nn.Module):
        def __init__(self, hidden: int) -> None:
            super().__init__()
            self.one = nn.LSTM(2, hidden)

    class Derived(Base):
        def __init__(self) -> None:
            super().__init__(hidden=5)
            self.two = nn.LSTM(5, 3)

    class Plain(Derived):
        pass

    for cls in (Derived, Plain):
        model = cls()
        assert (model.one.bias_ih_l0[5:10] == 1).all() and (model.two.bias_ih_l0[3:6] == 1).all()
        assert ri.check(model, POLICY).ok and settled(model)
    assert Derived.__name__ == "Derived" and Base.__init__.__annotations__["hidden"] == "int"


def test_a_decorated_subclass_overrides_its_base_s_policy():
    @ri.initialized("torch-default")
    class Base(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.LSTM(16, 16)

    @ri.initialized(POLICY)
    class Derived(Base):
        pass

    assert ri.check(Derived(), POLICY).ok
    assert ri.check(Base(), "torch-default").ok and not ri.check(Base(), POLICY).ok


def test_a_decorated_class_can_wait_and_waits_on_meta():
    @ri.initialized(POLICY, when="first_forward")
    class Waiting(Net):
        pass

    model = Waiting()
    assert traces(model)
    model(X)
    assert settled(model) and ri.check(model, POLICY).ok
    with torch.device("meta"):
        late = ri.initialized(POLICY)(type("Late", (Net,), {}))()
    ri.materialize(late, device="cpu")
    assert ri.check(late, POLICY).ok


@pytest.mark.parametrize(("thing", "error"), [(nn.LSTM(2, 2), TypeError), (dict, TypeError)])
def test_only_module_classes_can_be_decorated(thing, error):
    with pytest.raises(error, match="subclasses"):
        ri.initialized(POLICY)(thing)
    with pytest.raises(ValueError, match="first_forward"):
        ri.initialized(POLICY, when="later")


def test_enforced_initialises_what_is_built_or_run_inside_and_keeps_what_is_loaded():
    donor = bits(fresh(seed=1))
    before = fresh()
    with ri.enforced(POLICY) as block:
        ran, unrun, loaded = Net(), Net(), Net()
        loaded.load_state_dict(donor)
        ran(X)
        assert ri.check(ran, POLICY).ok, "before its first forward"
        before(X)
        loaded(X)
    assert ri.check(unrun, POLICY).ok and ri.check(before, POLICY).ok
    assert same(bits(loaded), donor)
    assert len(block.reports) == 4
    assert all(settled(model) for model in (ran, unrun, loaded, before))
    assert not registry._global_forward_pre_hooks
    assert not registry._global_module_registration_hooks and not registry._global_parameter_registration_hooks
    outside = Net()
    assert not ri.check(outside, POLICY).ok


def test_enforced_says_which_rules_matched_no_model():
    rules = ri.loads("version: 1\nrules:\n  - {id: gru, match: {module: GRU}, init: {kind: zeros}}\n")
    with pytest.warns(ri.RnnInitWarning, match="decided nothing"), ri.enforced(rules):
        nn.Linear(2, 2)


def test_enforced_leaves_no_hook_when_the_block_raises():
    with pytest.raises(ZeroDivisionError), ri.enforced(POLICY):
        Net()
        raise ZeroDivisionError
    assert not registry._global_forward_pre_hooks and not registry._global_module_registration_hooks

"""Modes, threads, errors and random streams around the first forward."""

from __future__ import annotations

import contextlib
import threading

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from rnninit_hooks.writers import Door
from tests.lifecycle import nets
from tests.lifecycle.table import bits, row, same, traces


def under(mode):
    def run(model):
        with mode():
            model(nets.X)

    return run


@row("eager", run=under(torch.inference_mode))
def inference_mode(model):
    return None


@row("eager", run=under(torch.inference_mode), build=lambda: nets.new_weight_norm(nets.lstm()), policy=nets.RNN_ONLY)
def inference_mode_and_weight_norm(model):
    return None


@row("eager", story=True)
def inference_mode_then_training(way):
    for build in (nets.Net, lambda: nets.new_weight_norm(nets.lstm())):
        model = nets.fresh(build)
        way.later(model, nets.RNN_ONLY)
        with torch.inference_mode():
            model(nets.X)
        out = model(nets.X)
        (out if isinstance(out, torch.Tensor) else out[0]).sum().backward()
        if any(p.grad is None or p.is_inference() for p in model.parameters()):
            return "it cannot be trained any more"
    return None


def _built_under_inference():
    with torch.inference_mode():
        return nets.Net()


@row("eager", build=_built_under_inference, run=under(torch.inference_mode))
def built_under_inference_mode(model):
    return None


@row("eager", build=_built_under_inference, run=under(torch.no_grad))
def built_under_inference_mode_and_run_outside(model):
    return None


@row("eager", run=under(torch.no_grad))
def no_grad(model):
    return None


def under_autocast(model):
    with torch.autocast("cpu", dtype=torch.bfloat16), contextlib.suppress(RuntimeError):  # some CPUs have no such LSTM
        model(nets.X)


@row("eager", run=under_autocast)
def autocast(model):
    return None


@row("eager", build=lambda: nets.orthogonal(nn.Linear(4, 4), "weight"), policy=nets.SQUARE,
     run=under(lambda: torch.autocast("cpu", dtype=torch.bfloat16)))  # fmt: skip
def autocast_and_a_parametrization(model):
    return None


@row("eager", story=True)
def under_a_device_context(way):
    model, wanted = nets.fresh(nets.Net), nets.fresh(nets.Net)
    way.later(model, nets.POLICY), way.now(wanted, nets.POLICY)
    try:
        with torch.device("meta"):
            model(nets.X)
    except RuntimeError:  # the model's own first state is on meta there
        pass
    return None if same(bits(model), bits(wanted)) and not traces(model) else "not initialised"


@row("eager", story=True)
def under_another_default_dtype(way):
    model, wanted = nets.fresh(nets.Net), nets.fresh(nets.Net)
    way.later(model, nets.POLICY), way.now(wanted, nets.POLICY)
    torch.set_default_dtype(torch.float64)
    try:
        model.head(model.encoder(nets.X)[0])
    finally:
        torch.set_default_dtype(torch.float32)
    model(nets.X)
    return None if same(bits(model), bits(wanted)) else "other numbers"


@row("eager", story=True)
def fake_tensors_first(way):
    """A forward of fakes initialises nothing and uses nothing up."""
    model, wanted = nets.fresh(nets.Net), nets.fresh(nets.Net)
    way.later(model, nets.POLICY), way.now(wanted, nets.POLICY)
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    with mode:
        model(mode.from_tensor(nets.X))
    model(nets.X)
    return None if same(bits(model), bits(wanted)) and not traces(model) else "used up by fakes"


@row("eager", run=lambda model: model.eval()(nets.X))
def eval_mode(model):
    return None


@row("eager", run=lambda model: model(x=nets.X))
def keywords_only(model):
    return None


@row("eager", story=True)
def racing_threads(way):
    for _ in range(5):
        model, wanted = nets.fresh(nets.Net), nets.fresh(nets.Net)
        way.later(model, nets.POLICY), way.now(wanted, nets.POLICY)
        expected, outputs, errors, barrier = wanted(nets.X), [], [], threading.Barrier(8)

        def work(model=model, outputs=outputs, errors=errors, barrier=barrier):
            barrier.wait()
            try:
                outputs.append(model(nets.X))
            except Exception as error:  # a thread that dies says nothing by itself
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors or not all(torch.equal(out, expected) for out in outputs):
            return f"{errors or 'half-written weights were used'}"
    return None


class _Fault:
    """Makes the n-th write of any kind fail, for ours and for the naive hook alike."""

    def __init__(self, at):
        self.at, self.seen = at, 0

    def __enter__(self):
        self.kept = Door.write, torch.Tensor.normal_
        Door.write, torch.Tensor.normal_ = self._guard(Door.write), self._guard(torch.Tensor.normal_)
        return self

    def __exit__(self, *_):
        Door.write, torch.Tensor.normal_ = self.kept

    def _guard(self, real):
        def write(*args, **kwargs):
            self.seen += 1
            if self.seen == self.at:
                raise RuntimeError("disk on fire")
            return real(*args, **kwargs)

        return write


@row("eager", story=True)
def error_half_way(way):
    """All or nothing, and a second try ends where an undisturbed one does."""
    model, wanted = nets.fresh(nets.Net), nets.fresh(nets.Net)
    before = bits(model)
    way.later(model, nets.POLICY), way.now(wanted, nets.POLICY)
    raised = False
    with _Fault(at=3):
        try:
            model(nets.X)
        except RuntimeError as error:
            raised = "disk on fire" in str(error)
    if not raised:
        return "the fault was swallowed"
    if not same(bits(model), before):
        return "half written"
    model(nets.X)
    return None if same(bits(model), bits(wanted)) and not traces(model) else "a second try ends elsewhere"


@row("eager", story=True)
def warnings_are_errors(way):
    """The news that a slot was kept may be raised, once, and never in the middle."""
    import warnings

    model = nets.fresh(nets.Net)
    way.later(model, nets.POLICY)
    model.head.bias.data.fill_(9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            model(nets.X)
        except UserWarning as news:
            if "RNN115" not in str(news):
                return str(news)
        if traces(model):
            return "still pending"
        model(nets.X)
    return None if (model.head.bias == 9).all() else "overwritten"


@row("eager", story=True)
def global_random_stream(way):
    def dropped(start):
        torch.manual_seed(0)
        model = nn.LSTM(4, 4, num_layers=2, dropout=0.5)
        start(model, nets.RNN_ONLY)
        torch.manual_seed(1)
        return model(nets.X)[0]

    return None if torch.equal(dropped(way.later), dropped(way.now)) else "the dropout mask is another"

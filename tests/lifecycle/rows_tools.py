"""Compilers, exporters, tracers and functional transforms that meet a pending model."""

from __future__ import annotations

import contextlib

import torch
from torch import fx
from torch._dynamo.testing import CompileCounter

import rnninit_hooks as ri
from tests.lifecycle import nets
from tests.lifecycle.table import bits, call, row, same, traces


def compiled(model, **how):
    torch._dynamo.reset()
    return torch.compile(model, backend="eager", **how)


@row("eager")
def compile_outer(model):
    return compiled(model)


@row("eager", build=nets.CellNet)
def compile_outer_fullgraph(model):
    return compiled(model, fullgraph=True)


@row("eager")
def compile_inner(model):
    model.encoder = compiled(model.encoder)


def _compiled_inside():
    net = nets.Net()
    net.encoder = compiled(net.encoder)
    return net


@row("eager", build=_compiled_inside)
def compile_inner_before(model):
    return None


@row("eager", build=lambda: compiled(nets.Net()))
def compile_outer_before(model):
    return None


@row("eager", story=True)
def compile_outer_before_and_attached_inside(way):
    model, wanted = nets.fresh(nets.Net), nets.fresh(nets.Net)
    fast = compiled(model)
    way.later(model, nets.POLICY), way.now(wanted, nets.POLICY)
    out = fast(nets.X)
    if not torch.allclose(out, wanted(nets.X)):
        return "ran on something else"
    return None if same(bits(model), bits(wanted)) and not traces(model) else "another model"


@row("eager")
def module_compile(model):
    torch._dynamo.reset()
    model.compile(backend="eager")


@row("eager", run=lambda model: compiled(lambda x: model(x))(nets.X))
def inside_a_compiled_function(model):
    return None


@row("says", build=nets.CellNet, run=lambda model: compiled(lambda x: model(x), fullgraph=True)(nets.X))
def inside_a_fullgraph_function(model):
    return None


@row("eager", story=True)
def compile_sees_one_graph(way):
    counter = CompileCounter()
    torch._dynamo.reset()
    model = nets.fresh(nets.CellNet)
    way.later(model, nets.POLICY)
    fast = torch.compile(model, backend=counter, fullgraph=True)
    fast(nets.X), fast(nets.X)
    return None if counter.frame_count == 1 else f"{counter.frame_count} graphs"


def _exported(model, strict):
    try:
        torch.export.export(model, (nets.X,), strict=strict)
    finally:
        torch._dynamo.reset()


@row("eager or says", build=nets.CellNet)
def export_strict(model):
    _exported(model, strict=True)


@row("eager or says", build=nets.CellNet)
def export_not_strict(model):
    _exported(model, strict=False)


@row("eager", story=True)
def exported_after_the_advice(way):
    """Refused first; after `materialize` the program is that of a model that was never pending."""
    model, wanted = nets.fresh(nets.CellNet), nets.fresh(nets.CellNet)
    way.later(model, nets.POLICY), way.now(wanted, nets.POLICY)
    try:
        program = torch.export.export(model, (nets.X,), strict=False)
    except ri.PendingInit:
        program = torch.export.export(ri.materialize(model), (nets.X,), strict=False)
    if not same(dict(program.state_dict), bits(wanted)):
        return "another model was exported"
    nodes = len(torch.export.export(wanted, (nets.X,), strict=False).graph.nodes)
    return None if len(program.graph.nodes) == nodes else "the initialisation is in the graph"


@row("eager", story=True)
def fx_trace(way):
    model, wanted = nets.fresh(nets.Net), nets.fresh(nets.Net)
    way.later(model, nets.POLICY), way.now(wanted, nets.POLICY)
    graph = fx.symbolic_trace(model)
    if not torch.equal(graph(nets.X), wanted(nets.X)):
        return "the graph runs on something else"
    model(nets.X)
    return None if same(bits(model), bits(wanted)) and not traces(model) else "another model"


@row("says", build=nets.OwnWeights, policy=nets.WORDS)
def fx_trace_of_what_the_root_owns(model):
    return fx.symbolic_trace(model)


@row("says")
def jit_trace(model):
    torch.jit.trace(model, (nets.X,))


@row("eager", story=True)
def jit_script(way):
    model, wanted = nets.fresh(nets.Net), nets.fresh(nets.Net)
    way.later(model, nets.POLICY), way.now(wanted, nets.POLICY)
    del nets.Net.generate, nets.Net.step
    try:
        scripted = torch.jit.script(model)
    finally:
        nets.Net.generate, nets.Net.step = GENERATE, STEP
    if not torch.allclose(scripted(nets.X), wanted(nets.X)):
        return "another model was scripted"
    return None if same(bits(model), bits(wanted)) and not traces(model) else "another model"


GENERATE, STEP = nets.Net.generate, nets.Net.step


@row("says", run=lambda m: torch.func.functional_call(m, {n: p.detach().clone() for n, p in m.named_parameters()}, (nets.X,)))
def functional_call(model):
    return None


@row("eager", story=True)
def functional_call_never_writes_the_caller_s_tensors(way):
    model = nets.fresh(nets.Net)
    way.later(model, nets.POLICY)
    given = {name: value.detach().clone() for name, value in model.named_parameters()}
    kept = {name: value.clone() for name, value in given.items()}
    with contextlib.suppress(RuntimeError):
        torch.func.functional_call(model, given, (nets.X,))
    return None if same(given, kept) else "the caller's tensors were written"


@row("eager", run=lambda model: torch.func.functional_call(model, dict(model.named_parameters()), (nets.X,)))
def functional_call_with_its_own(model):
    return None


@row("says", run=lambda model: torch.func.vmap(model, randomness="same")(nets.X.expand(2, 3, 1, 4)))
def vmap(model):
    return None


@row("says", run=lambda model: torch.func.grad(lambda x: call(model).sum() + model(x).sum())(nets.X))
def func_grad(model):
    return None

"""Copies, pickles and other processes, made before the first forward."""

from __future__ import annotations

import copy
import io
import pickle

import torch
import torch.multiprocessing as mp
from torch import nn
from torch.optim.swa_utils import AveragedModel

from tests.lifecycle import nets
from tests.lifecycle.table import bits, differing, row, same, traces


@row("eager")
def state_dict_first(model):
    model.state_dict()


@row("eager", story=True)
def target_network(way):
    model, target = nets.fresh(nets.Net), nets.fresh(nets.Net)
    way.later(model, nets.POLICY)
    target.load_state_dict(model.state_dict())
    model(nets.X)
    return None if same(bits(model), bits(target)) else "the target network has what was there before"


@row("eager")
def averaged_model(model):
    return AveragedModel(model)


@row("eager", story=True)
def averaged_model_updated_before_a_forward(way):
    model, twin = nets.fresh(nets.Net), nets.fresh(nets.Net)
    way.later(model, nets.POLICY), way.now(twin, nets.POLICY)
    got, wanted = AveragedModel(model), AveragedModel(twin)
    model(nets.X)
    got.update_parameters(model), wanted.update_parameters(twin)
    return None if same(bits(got), bits(wanted)) else "the average is another"


@row("eager")
def deepcopied(model):
    return copy.deepcopy(model)


@row("eager", story=True)
def deepcopied_and_both_run(way):
    model, wanted = nets.fresh(nets.Net), nets.fresh(nets.Net)
    way.later(model, nets.POLICY), way.now(wanted, nets.POLICY)
    twin = copy.deepcopy(model)
    for one in (twin, model):
        one(nets.X)
        if wrong := differing(bits(one), bits(wanted)):
            return f"differs in {wrong}"
        if left := traces(one):
            return f"left {left}"
        with torch.no_grad():
            one.head.bias.fill_(5)
        one(nets.X)
        if not (one.head.bias == 5).all():
            return "initialised in every forward"
    return None


@row("eager", story=True)
def deepcopied_submodule(way):
    model, wanted = nets.fresh(nets.Net), nets.fresh(nets.Net)
    way.later(model, nets.POLICY), way.now(wanted, nets.POLICY)
    part = copy.deepcopy(model.encoder)
    part(nets.X)
    return None if same(bits(part), bits(wanted.encoder)) and not traces(part) else "the copy of a part is another"


@row("eager")
def pickled(model):
    return pickle.loads(pickle.dumps(model))


@row("eager")
def torch_saved(model):
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


@row("kept", story=True)
def loaded_then_pickled(way):
    model = nets.fresh(nets.Net)
    way.later(model, nets.POLICY)
    model.load_state_dict(nets.donor())
    twin = pickle.loads(pickle.dumps(model))
    twin(nets.X)
    return None if same(bits(twin), nets.donor()) else "the copy forgot what was loaded"


def _child(model, queue):
    torch.set_num_threads(1)
    model(nets.X)
    queue.put({name: value.detach().numpy().copy() for name, value in model.named_parameters()})


@row("eager", story=True)
def spawned(way):
    model, wanted = nets.fresh(nets.Net), nets.fresh(nets.Net)
    way.later(model, nets.POLICY), way.now(wanted, nets.POLICY)
    context = mp.get_context("spawn")
    queue = context.SimpleQueue()
    child = context.Process(target=_child, args=(model, queue))
    child.start()
    found = {name: torch.from_numpy(value) for name, value in queue.get().items()}
    child.join()
    model(nets.X)  # which shares its memory with the child's
    if not same(found, bits(wanted)):
        return "another model in the other process"
    return None if same(bits(model), bits(wanted)) and not traces(model) else "another model here"


@row("eager")
def data_parallel(model):
    return nn.DataParallel(model)


@row("says")
def replica(model):
    model._is_replica = True

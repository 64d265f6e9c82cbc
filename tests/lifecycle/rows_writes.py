"""Values that somebody writes before the first forward, and moves and casts, which are no writes."""

from __future__ import annotations

import torch
from torch import nn

from tests.lifecycle import nets
from tests.lifecycle.table import bits, row, same


def value():
    return torch.full((24, 6), 0.125)


@row("kept")
def no_grad_copy(model):
    with torch.no_grad():
        model.encoder.weight_hh_l0.copy_(value())


@row("kept")
def data_copy(model):
    model.encoder.weight_hh_l0.data.copy_(value())


@row("kept")
def data_assign(model):
    model.encoder.weight_hh_l0.data = value()


@row("kept", story=True)
def one_element(way):
    """Who wrote a part of a parameter keeps all of it."""
    model = nets.fresh(nets.Net)
    way.later(model, nets.POLICY)
    model.encoder.weight_hh_l0.data[3, 3] = 0.5
    written = model.encoder.weight_hh_l0.detach().clone()
    model(nets.X)
    return None if torch.equal(model.encoder.weight_hh_l0, written) else "overwritten"


@row("kept", story=True)
def one_element_then_half(way):
    model = nets.fresh(nets.Net)
    way.later(model, nets.POLICY)
    model.encoder.weight_hh_l0.data[17, 5] = 0.5
    model.half()
    written = model.encoder.weight_hh_l0.detach().clone()
    model(nets.X.half())
    return None if torch.equal(model.encoder.weight_hh_l0, written) else "overwritten"


@row("kept", story=True)
def rows_change_places(way):
    model = nets.fresh(nets.Net)
    way.later(model, nets.POLICY)
    model.encoder.weight_hh_l0.data = model.encoder.weight_hh_l0.data.flip(0).contiguous()
    written = model.encoder.weight_hh_l0.detach().clone()
    model(nets.X)
    return None if torch.equal(model.encoder.weight_hh_l0, written) else "overwritten"


@row("kept")
def numpy_write(model):
    model.encoder.weight_hh_l0.detach().numpy()[:] = 0.125


@row("kept")
def vector_to_parameters(model):
    nn.utils.vector_to_parameters(value().flatten(), [model.encoder.weight_hh_l0])


@row("kept")
def setattr_parameter(model):
    model.encoder.weight_hh_l0 = nn.Parameter(value())


@row("kept")
def own_initialisation_after_the_attachment(model):
    torch.manual_seed(9)
    model.apply(lambda module: module.reset_parameters() if hasattr(module, "reset_parameters") else None)


@row("says")
def assigned_behind_the_back_of_torch(model):
    model.encoder._parameters["weight_hh_l0"] = nn.Parameter(value())


@row("says")
def parameter_removed(model):
    del model.encoder.bias_hh_l1
    model.encoder.bias_hh_l1 = torch.zeros(24)


@row("eager")
def half(model):
    model.half()


@row("eager")
def bfloat16(model):
    model.bfloat16()


@row("eager")
def double(model):
    model.double()


@row("eager")
def to_cpu(model):
    model.to("cpu")


@row("eager")
def share_memory(model):
    model.share_memory()


@row("eager")
def cast_by_swapping(model):
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        model.head.double().to("cpu").float()
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)


@row("eager", story=True)
def half_and_back(way):
    """Two casts are no write; the policy then holds at the precision that the model has."""
    model, wanted = nets.fresh(nets.Net), nets.fresh(nets.Net)
    way.later(model, nets.POLICY)
    model.half().float()
    model(nets.X)
    way.now(wanted.half().float(), nets.POLICY)
    return None if same(bits(model), bits(wanted)) else "kept as if written"


@row("eager")
def frozen(model):
    model.requires_grad_(False)


@row("eager", story=True)
def optimizer_first(way):
    model, twin = nets.fresh(nets.Net), nets.fresh(nets.Net)
    way.later(model, nets.POLICY), way.now(twin, nets.POLICY)
    for one in (model, twin):
        optimizer = torch.optim.Adam(one.parameters(), lr=0.1)
        one(nets.X).sum().backward()
        optimizer.step()
    return None if same(bits(model), bits(twin)) else "trained something else"

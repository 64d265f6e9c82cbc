"""Checkpoints that come before the first forward."""

from __future__ import annotations

import contextlib

import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import set_model_state_dict

from tests.lifecycle import nets
from tests.lifecycle.table import row


@row("kept")
def load_whole(model):
    model.load_state_dict(nets.donor())


@row("kept")
def load_partial(model):
    model.load_state_dict({name: value for name, value in nets.donor().items() if "l0" in name}, strict=False)


@row("kept")
def load_one_partner_of_a_bias(model):
    model.load_state_dict({"encoder.bias_hh_l0": torch.full((24,), 0.5)}, strict=False)


@row("kept")
def load_submodule(model):
    model.head.load_state_dict({"weight": torch.ones(2, 6), "bias": torch.ones(2)})


@row("kept")
def load_assign(model):
    model.load_state_dict(nets.donor(), assign=True)


@row("kept")
def load_assign_partial(model):
    model.load_state_dict({name: v for name, v in nets.donor().items() if "hh" in name}, strict=False, assign=True)


@row("kept")
def load_plain_after_an_assign(model):
    state = nets.donor()
    nets.fresh(nets.Net).load_state_dict(state, assign=True)  # pytorch/pytorch#188166: the wish to assign stays in the state
    model.load_state_dict(state)


@contextlib.contextmanager
def swapping():
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        yield
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)


@row("kept")
def load_swapped(model):
    with swapping():  # recurrent layers hold weak references to their weights, which torch refuses to swap
        model.head.load_state_dict({"weight": torch.ones(2, 6), "bias": torch.ones(2)})


@row("kept")
def load_swapped_of_what_was_there(model):
    with swapping():
        model.head.load_state_dict({name: value.clone() for name, value in nets.fresh(nets.Net).head.state_dict().items()})


@row("kept")
def load_of_what_was_there(model):
    model.load_state_dict({name: value.clone() for name, value in nets.fresh(nets.Net).state_dict().items()})


@row("kept")
def load_in_place_as_dcp_does(model):
    for name, value in model.state_dict().items():
        if "hh" in name:
            value.copy_(nets.donor()[name])


@row("kept")
def load_by_set_model_state_dict(model):
    set_model_state_dict(model, nets.donor())


@row("kept", build=lambda: _with_head(nets.Deaf))
def load_override_without_super(model):
    model.load_state_dict(nets.donor())


def _with_head(kind):
    net = nets.Net()
    net.head = kind(6, 2)
    return net


@row("kept", build=lambda: _with_head(nets.Raising))
def load_that_raises_half_way(model):
    with contextlib.suppress(KeyError):
        model.load_state_dict(nets.donor())


@row("kept")
def load_with_a_size_mismatch(model):
    state = nets.donor()
    state["encoder.weight_hh_l0"] = torch.ones(3, 3)
    state["head.bias"] = "no tensor at all"
    with contextlib.suppress(RuntimeError):
        model.load_state_dict(state)


@row("kept")
def load_that_torch_could_not_copy(model):
    state = nets.donor()
    state["encoder.weight_hh_l0"] = torch.empty(24, 6, device="meta")
    with contextlib.suppress(RuntimeError):
        model.load_state_dict(state)


@row("kept", build=lambda: nets.new_weight_norm(nets.lstm()), policy=nets.RNN_ONLY)
def load_into_a_weight_norm(model):
    state = {
        name: value.clone() + 0.5 for name, value in nets.fresh(lambda: nets.new_weight_norm(nets.lstm())).state_dict().items()
    }
    model.load_state_dict(state)


@row("kept", build=lambda: nets.new_weight_norm(nets.lstm()), policy=nets.RNN_ONLY)
def load_of_a_wrong_shape_into_a_weight_norm(model):
    state = dict(nets.fresh(lambda: nets.new_weight_norm(nets.lstm())).state_dict())
    state = {name: torch.ones(2, 2) if "parametrizations" in name else value + 0.5 for name, value in state.items()}
    with contextlib.suppress(RuntimeError):
        model.load_state_dict(state)


@row("kept", story=True)
def load_into_meta_is_no_load(way):
    """A plain load into meta brings nothing, so materialize must fill it all the same."""
    import rnninit_hooks as ri

    model, wanted = nets.on_meta(), nets.fresh(nets.Net)
    way.later(model, nets.POLICY)
    model.load_state_dict(nets.donor())
    model = ri.materialize(model, device="cpu")
    way.now(wanted, nets.POLICY)
    equal = all(torch.equal(a, b) for a, b in zip(model.parameters(), wanted.parameters(), strict=True))
    return None if equal else "what a plain load did not bring was not initialised either"


@row("kept", story=True)
def load_assigned_into_meta_then_materialize(way):
    """The loaded part stays, though the module fills its other part by itself."""
    import rnninit_hooks as ri

    policy = ri.loads("version: 1\nuntouched: allow\nrules:\n  - {id: b, match: {kind: bias}, init: {kind: ones}}\n")
    with torch.device("meta"):
        model = nn.LSTM(4, 6)
    way.later(model, policy)
    model.load_state_dict({"weight_ih_l0": torch.full((24, 4), 0.5)}, strict=False, assign=True)
    model = ri.materialize(model, device="cpu")
    if not (model.weight_ih_l0 == 0.5).all() or not (model.bias_ih_l0 == 1).all():
        return "the loaded part was overwritten"
    return None if model.weight_hh_l0.abs().sum() > 0 else "the rest was not filled"


@row("kept", story=True)
def marked_by_transformers(way):
    model = nets.fresh(nets.Net)
    before = model.encoder.weight_hh_l0.detach().clone()
    model.encoder.weight_hh_l0._is_hf_initialized = True
    handle = way.later(model, nets.POLICY)
    model(nets.X)
    if not torch.equal(model.encoder.weight_hh_l0, before):
        return "overwritten"
    return None if handle.status["encoder.weight_hh_l0[forget]"] == "loaded" else "not said"


@row("kept", story=True)
def marked_after_the_attachment_and_copied(way):
    import copy

    model = nets.fresh(nets.Net)
    model.head.weight._is_hf_initialized = True
    before = model.encoder.weight_hh_l0.detach().clone()
    way.later(model, nets.POLICY)
    model.encoder.weight_hh_l0._is_hf_initialized = True
    twin = copy.deepcopy(model)  # which loses attributes of parameters
    model(nets.X), twin(nets.X)
    if not torch.equal(twin.head.weight, nets.fresh(nets.Net).head.weight):
        return "the copy was overwritten"
    return None if torch.equal(model.encoder.weight_hh_l0, before) else "overwritten"


@row("kept", story=True)
def marked_by_mamba(way):
    model = nets.fresh(nets.Net)
    before = model.head.bias.detach().clone()
    model.head.bias._no_reinit = True
    handle = way.later(model, nets.POLICY)
    model(nets.X)
    if not torch.equal(model.head.bias, before):
        return "overwritten"
    return None if handle.status["head.bias"] == "keep" else "not said"

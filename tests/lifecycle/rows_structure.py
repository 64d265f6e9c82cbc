"""Parametrizations, ties, entry points, lazy and meta parameters."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrize

import rnninit_hooks as ri
from tests.lifecycle import nets
from tests.lifecycle.table import bits, call, row, same, traces


def nothing(model):
    return None


def before(name, wrap, outcome, policy=nets.RNN_ONLY, build=nets.lstm):
    """A row for a parametrization that was there when the policy was attached."""

    def deed(model):
        return None

    deed.__name__, deed.__module__ = f"{name}_before", __name__
    row(outcome, build=lambda: wrap(build()), policy=policy)(deed)


def after(name, wrap):
    """A row for a parametrization that comes between the attachment and the first forward."""

    def deed(model):
        return wrap(model)

    deed.__name__, deed.__module__ = f"{name}_after", __name__
    row("says", build=nets.lstm, policy=nets.RNN_ONLY)(deed)


before("weight_norm", nets.new_weight_norm, "eager")
before("old_weight_norm", nets.old_weight_norm, "eager")
before("weight_drop", nets.WeightDrop, "eager")
before("spectral_norm", nets.new_spectral_norm, "says")
before("old_spectral_norm", nets.old_spectral_norm, "says")
before("orthogonal", nets.orthogonal, "says")
before("prune", nets.pruned, "says")
before("orthogonal_that_fits", lambda m: nets.orthogonal(m, "weight"), "eager", nets.SQUARE, lambda: nn.Linear(4, 4))
after("weight_norm", nets.new_weight_norm)
after("old_weight_norm", nets.old_weight_norm)
after("weight_drop", nets.WeightDrop)
after("spectral_norm", nets.new_spectral_norm)
after("old_spectral_norm", nets.old_spectral_norm)
after("orthogonal", nets.orthogonal)
after("prune", nets.pruned)


@row("says", build=lambda: nets.new_weight_norm(nets.lstm()), policy=nets.RNN_ONLY)
def weight_norm_removed_after(model):
    parametrize.remove_parametrizations(model, "weight_hh_l0")


@row("eager", story=True)
def parametrized_after_can_be_settled_by_hand(way):
    """What the error advises works: take it back, then apply."""
    model, wanted = nets.fresh(nets.lstm), nets.new_weight_norm(nets.fresh(nets.lstm))
    handle = way.later(model, nets.RNN_ONLY)
    nets.new_weight_norm(model)
    for use in (lambda: model(nets.X), lambda: ri.materialize(model)):
        try:
            use()
        except ri.PendingInit as error:
            if "remove() the handle" not in str(error):
                return str(error)
        else:
            return "nothing was said"
    handle.remove()
    ri.apply(model, nets.RNN_ONLY), ri.apply(wanted, nets.RNN_ONLY)
    return None if same(bits(model), bits(wanted)) and not traces(model) else "not settled"


@row("eager", build=nets.Tied, policy=nets.WORDS)
def tied(model):
    return None


@row("kept", build=nets.Tied, policy=nets.WORDS)
def tied_and_loaded_by_its_other_name(model):
    model.load_state_dict({"out.weight": torch.full((5, 4), 0.5)}, strict=False)


@row("says", build=nets.Tied, policy=nets.WORDS, run=lambda model: model.out(torch.ones(1, 4)))
def tied_part_first(model):
    return None


@row(
    "eager", build=nets.Tied, policy=nets.WORDS, run=lambda model: (model.words(torch.zeros(1, dtype=torch.long)), call(model))
)
def tied_owner_first(model):
    return None


BOTH = ri.loads(
    "version: 1\nrules:\n"
    "  - {id: words, match: {parameter: words}, init: {kind: normal, std: 0.5}}\n"
    "  - {id: out, match: {parameter: out}, init: {kind: ones}}\n"
)


@row("eager", build=nets.Untied, policy=BOTH)
def tied_after(model):
    model.out.weight = model.words.weight


@row("kept", build=nets.Untied, policy=BOTH)
def tied_after_and_loaded(model):
    model.out.weight = model.words.weight
    model.words.load_state_dict({"weight": torch.full((5, 4), 0.5)})


@row("eager", build=nets.Shared, policy=nets.RNN_ONLY)
def shared_module(model):
    return None


@row("eager", run=lambda model: (model.encoder(nets.X), model(nets.X)))
def part_first(model):
    return None


@row("eager", run=lambda model: (model.generate(nets.X), model(nets.X)))
def generate(model):
    return None


@row("eager", run=lambda model: (model.step(nets.X), model(nets.X)))
def step(model):
    return None


@row("eager", run=lambda model: (nn.Sequential(model.encoder)(nets.X), model(nets.X)))
def sequential_of_a_part(model):
    return None


@row("eager", story=True)
def every_entry_point_runs_on_what_was_written(way):
    wanted = nets.fresh(nets.Net)
    way.now(wanted, nets.POLICY)
    for entry in (lambda m: m.step(nets.X), lambda m: m.generate(nets.X), lambda m: nn.Sequential(m.encoder)(nets.X)[0]):
        model = nets.fresh(nets.Net)
        way.later(model, nets.POLICY)
        if not torch.equal(entry(model), entry(wanted)):
            return "ran on what was there before"
    return None


@row("eager", story=True)
def lazy(way):
    model, wanted = nets.fresh(nets.LazyNet), nets.fresh(nets.Net)
    wanted.encoder = nn.LSTM(4, 6)
    way.later(model, nets.POLICY), way.now(wanted, nets.POLICY)
    out = model(nets.X)
    if not torch.equal(out, model(nets.X)):
        return "the first forward ran on something else"
    return None if same(bits(model), bits(wanted)) and not traces(model) else "another model"


@row("kept", story=True)
def lazy_and_loaded(way):
    model = nets.fresh(nets.LazyNet)
    way.later(model, nets.POLICY)
    model.load_state_dict({"head.weight": torch.full((2, 6), 0.5), "head.bias": torch.ones(2)}, strict=False)
    model(nets.X)
    return None if (model.head.weight == 0.5).all() and (model.head.bias == 1).all() else "overwritten"


@row("eager", story=True)
def meta_and_materialize(way):
    model, wanted = nets.on_meta(), nets.fresh(nets.Net)
    way.later(model, nets.POLICY), way.now(wanted, nets.POLICY)
    ri.materialize(model, device="cpu")
    return None if same(bits(model), bits(wanted)) and not traces(model) else "another model"


@row("eager", story=True)
def meta_and_to_empty(way):
    model, wanted = nets.on_meta(), nets.fresh(nets.Net)
    way.later(model, nets.POLICY), way.now(wanted, nets.POLICY)
    model.to_empty(device="cpu")
    model(nets.X)
    return None if same(bits(model), bits(wanted)) and not traces(model) else "another model"


@row("kept", story=True)
def meta_and_to_empty_and_written(way):
    model = nets.on_meta()
    way.later(model, nets.POLICY)
    model.to_empty(device="cpu")
    with torch.no_grad():
        model.head.weight.fill_(0.5)
    model(nets.X)
    return None if (model.head.weight == 0.5).all() else "overwritten"


@row("says", build=nets.on_meta, run=lambda model: model(nets.X.to("meta")))
def meta_and_run(model):
    return None


@row("eager", story=True)
def undecided_layers_on_meta_differ(way):
    with torch.device("meta"):
        model = nn.Sequential(nn.LSTM(4, 4), nn.Linear(4, 4), nn.Linear(4, 4))
    way.later(model, nets.RNN_ONLY)
    ri.materialize(model, device="cpu")
    return None if not torch.equal(model[1].weight, model[2].weight) else "two layers are the same"


@row("eager", story=True)
def attached_to_a_part_and_then_to_the_whole(way):
    model, wanted = nets.fresh(nets.Net), nets.fresh(nets.Net)
    inner = way.later(model.encoder, nets.RNN_ONLY)
    way.later(model, nets.RNN_ONLY)
    way.now(wanted.encoder, nets.RNN_ONLY), way.now(wanted, nets.RNN_ONLY)
    model(nets.X)
    if not same(bits(model), bits(wanted)) or traces(model):
        return "another model"
    return None if not inner.pending else "the former handle waits for ever"

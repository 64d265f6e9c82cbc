"""What each of two processes does, over gloo; a dictionary of plain results goes back to the test."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

import rnninit_hooks as ri

WORLD = 2
RULES = """
version: 1
extends: [builtin:lstm-classic, builtin:gru-classic]
seed: 5
rules:
  - {id: head, match: {parameter: 'head\\.'}, init: {kind: uniform, low: -0.5, high: 0.5}}
"""
FORGET_ONLY = """
version: 1
untouched: allow
rules:
  - {id: open, match: {kind: bias, gate: forget}, init: {kind: constant, value: 1.0}}
"""


class Net(nn.Module):
    """Sizes that two ranks do not share evenly, and a GRU of one unit, so that one rank holds nothing of it."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.LSTM(3, 5, num_layers=2, bidirectional=True)
        self.tiny = nn.GRU(10, 1)
        self.head = nn.Linear(1, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.tiny(self.encoder(x)[0])[0])


X = torch.ones(4, 2, 3)


def policy() -> ri.Policy:
    return ri.loads(RULES)


def alone() -> dict[str, Tensor]:
    """What one process has."""
    torch.manual_seed(0)
    model = Net()
    ri.apply(model, policy())
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def whole(model: nn.Module) -> dict[str, Tensor]:
    named = model.named_parameters()
    return {name.removeprefix("module."): (p.full_tensor() if hasattr(p, "full_tensor") else p).detach() for name, p in named}


def same(model: nn.Module, expected: dict[str, Tensor]) -> bool:
    found = whole(model)
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


def fresh(rank: int) -> Net:
    torch.manual_seed(100 + rank)  # ranks start differently, as they do in the wild
    return Net()


def shard(model: Net) -> Net:
    mesh = init_device_mesh("cpu", (WORLD,))
    for part in (model.encoder, model.tiny, model.head, model):
        fully_shard(part, mesh=mesh)
    return model


def said(call) -> str:
    try:
        call()
    except ri.RnnInitError as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def applied_after_sharding(rank: int, expected: dict[str, Tensor]) -> object:
    model = shard(fresh(rank))
    ri.apply(model, policy())
    ran = model(X).isfinite().all().item()
    return same(model, expected) and ran and ri.check(model, policy()).ok


def attached_after_sharding(rank: int, expected: dict[str, Tensor]) -> object:
    model = shard(fresh(rank))
    handle = ri.attach(model, policy())
    output = model(X)
    single = Net()
    single.load_state_dict(expected)
    return same(model, expected) and not handle.pending and torch.allclose(output, single(X), atol=1e-6)


def attached_before_sharding(rank: int, expected: dict[str, Tensor]) -> object:
    model = fresh(rank)
    ri.attach(model, policy())
    return said(lambda: shard(model)(X))


def sharded_on_meta(rank: int, expected: dict[str, Tensor]) -> object:
    with torch.device("meta"):
        model = Net()
    shard(model).to_empty(device="cpu")
    ri.apply(model, policy())
    return same(model, expected)


def partly_decided(rank: int, expected: dict[str, Tensor]) -> object:
    model = shard(fresh(0))
    before = whole(model)
    ri.apply(model, ri.loads(FORGET_ONLY))
    now = whole(model)
    forget = [now[f"encoder.bias_ih_l{n}"][5:10] + now[f"encoder.bias_hh_l{n}"][5:10] for n in (0, 1)]
    kept = torch.equal(now["encoder.bias_ih_l0"][:5], before["encoder.bias_ih_l0"][:5])
    return all((bias == 1).all() for bias in forget) and kept and ri.check(model, ri.loads(FORGET_ONLY)).ok


def one_rank_alone(rank: int, expected: dict[str, Tensor]) -> object:
    """Rank 0 writes while rank 1 does not take part: nothing waits for anybody."""
    model = shard(fresh(rank))
    if rank == 0:
        ri.apply(model, policy())
    dist.barrier()
    if rank == 1:
        ri.apply(model, policy())
    return same(model, expected)


def plain_torch_loses_a_gate(rank: int, expected: dict[str, Tensor]) -> object:
    """The trap: a gate written into a sharded bias by hand is not there afterwards."""
    model = shard(fresh(0))
    bias = model.encoder.bias_ih_l0
    before = bias.full_tensor().clone()
    with torch.no_grad():
        bias[5:10].fill_(1.0)
    return torch.equal(bias.full_tensor(), before)


def ddp_after_attach(rank: int, expected: dict[str, Tensor]) -> object:
    model = fresh(rank)
    handle = ri.attach(model, policy())
    wrapped = DistributedDataParallel(model)
    settled = not handle.pending
    wrapped(X).sum().backward()
    return settled and same(wrapped, expected)


def ddp_before_attach(rank: int, expected: dict[str, Tensor]) -> object:
    wrapped = DistributedDataParallel(fresh(rank))
    ri.attach(wrapped, policy())
    wrapped(X).sum().backward()
    return same(wrapped, expected)


def ddp_after_apply(rank: int, expected: dict[str, Tensor]) -> object:
    model = fresh(rank)
    ri.apply(model, policy())
    return same(DistributedDataParallel(model), expected)


def a_batch_that_differs_is_refused(rank: int, expected: dict[str, Tensor]) -> object:
    rules = "version: 1\nuntouched: allow\nrules:\n  - {id: unit, match: {kind: input}, init: {kind: lsuv}}\n"
    for use in (lambda model: model(X + rank), DistributedDataParallel):
        model = fresh(rank)
        before = [p.detach().clone() for p in model.parameters()]
        handle = ri.attach(model, ri.loads(rules))
        try:
            use(model)
        except ri.PendingInit:
            kept = all(map(torch.equal, model.parameters(), before))
            if kept and handle.pending:
                continue
        return False
    return True


DEEDS = (
    applied_after_sharding, attached_after_sharding, attached_before_sharding, sharded_on_meta, partly_decided,
    one_rank_alone, plain_torch_loses_a_gate, ddp_after_attach, ddp_before_attach, ddp_after_apply,
    a_batch_that_differs_is_refused,
)  # fmt: skip


def run(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=WORLD)
    expected, results = alone(), {}
    for deed in DEEDS:
        results[deed.__name__] = deed(rank, expected)
        dist.barrier()
    torch.save(results, Path(folder) / f"rank{rank}.pt")
    dist.destroy_process_group()

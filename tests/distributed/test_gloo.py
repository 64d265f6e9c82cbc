"""Two real processes over gloo: DDP and FSDP2; every rank equals one process, bit for bit."""

from __future__ import annotations

import pytest
import torch
import torch.multiprocessing as mp

from tests.distributed import ranks


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gloo")
    mp.spawn(ranks.run, args=(str(folder),), nprocs=ranks.WORLD)
    return [torch.load(folder / f"rank{rank}.pt", weights_only=False) for rank in range(ranks.WORLD)]


@pytest.mark.parametrize("deed", [deed.__name__ for deed in ranks.DEEDS if deed is not ranks.attached_before_sharding])
def test_every_rank_equals_one_process(results, deed):
    assert [result[deed] for result in results] == [True] * ranks.WORLD


def test_attaching_before_sharding_says_what_to_do(results):
    for result in results:
        said = result["attached_before_sharding"]
        assert said.startswith("PendingInit: ") and "is sharded now" in said and "materialize" in said

"""The sampler: what it promises to give again, and what it must not touch."""

from __future__ import annotations

import contextlib
import hashlib
import math
import random
import sys
import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rnninit_hooks.recipes.draws import SAMPLER, TILE, Keyed

ADDRESS = "encoder.rnn.weight_hh_l0[forget]"
DRAWS: dict[str, Callable[[Keyed], Tensor]] = {
    "uniform": lambda draw: draw.uniform(7, 9),
    "normal": lambda draw: draw.normal(7, 9),
    "haar": lambda draw: draw.haar(6, 4),
    "haar wide": lambda draw: draw.haar(4, 6),
    "full": lambda draw: draw.full(2, 3, value=0.1),
    "eye": lambda draw: draw.eye(3),
}


def spelled_out(seed: int, address: str, stream: int, tile: int, count: int) -> list[float]:
    """Scheme v1 as its text says it, with Python's integers."""
    key = hashlib.blake2b(digest_size=16, person=b"rnninit.v1")
    for field in (str(seed), address, str(stream)):
        key.update(len(field.encode()).to_bytes(8, "little") + field.encode())
    philox = np.random.Philox(key=int.from_bytes(key.digest(), "little"), counter=[0, tile, 0, 0])
    return [((int(word) >> 12) * 2 + 1) / 2**53 for word in philox.random_raw(count)]


class TestGoldenValues:
    def test_uniform_bits_are_pinned(self) -> None:
        assert SAMPLER == "v1"
        assert Keyed(7, ADDRESS).uniform(4).tolist() == [
            0.9469370097959128,
            0.7166022332561762,
            0.4656632105347852,
            0.9585121444212142,
        ]
        assert Keyed(-1, "é").uniform(2).tolist() == [0.5093393913853644, 0.48131678353366636]
        assert Keyed(2**70, "a").uniform(1).tolist() == [0.2172979912913201]
        assert Keyed(7, "a").uniform_tile(2, 10**9, 3).tolist() == [
            0.631265434532941,
            0.9487793043392777,
            0.7842107857431319,
        ]

    def test_normal_values_are_pinned(self) -> None:
        draw = Keyed(7, ADDRESS)
        draw.uniform(1)
        assert draw.normal(4).tolist() == pytest.approx(
            [-0.6888363737010401, 1.214860925115243, -0.8353708187530787, 1.5761776728186], rel=1e-12
        )
        assert Keyed(0, "").normal(2).tolist() == pytest.approx([0.9412267619063969, 0.4738112868080839], rel=1e-12)

    def test_haar_values_are_pinned(self) -> None:
        expected = [
            0.6054686713478743,
            -0.07077638143330174,
            -0.7927158329738645,
            0.7897051273072422,
            -0.0702984047828556,
            0.6094456056036817,
        ]
        assert Keyed(7, "a").haar(2, 3).flatten().tolist() == pytest.approx(expected, abs=1e-12)

    @given(st.integers(-(2**80), 2**80), st.text(max_size=20), st.integers(0, 3), st.integers(0, 2**40))
    def test_the_text_of_the_scheme_says_the_same(self, seed: int, address: str, stream: int, tile: int) -> None:
        assert Keyed(seed, address).uniform_tile(stream, tile, 5).tolist() == spelled_out(seed, address, stream, tile, 5)

    def test_normal_is_the_inverse_of_its_distribution_function(self) -> None:
        u, z = Keyed(1, "a").uniform(1000), Keyed(1, "a").normal(1000)
        back = torch.tensor([0.5 * math.erfc(-x / math.sqrt(2.0)) for x in z.tolist()], dtype=torch.float64)
        assert (back - u).abs().max() < 1e-14

    def test_the_ends_of_the_interval_are_open(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ends = np.array([0, 2**64 - 1], np.uint64)
        monkeypatch.setattr("rnninit_hooks.recipes.draws._words", lambda key, tile, length: ends)
        assert Keyed(0, "a").uniform(2).tolist() == [2.0**-53, 1.0 - 2.0**-53]
        low, high = Keyed(0, "a").normal(2).tolist()
        assert -9.0 < low < -8.0 and 8.0 < high < 9.0


class TestKeys:
    @pytest.mark.parametrize("name", ["uniform", "normal", "haar", "haar wide"])
    def test_equal_keys_give_equal_bits_and_others_do_not(self, name: str) -> None:
        draw = DRAWS[name]
        assert torch.equal(draw(Keyed(3, ADDRESS)), draw(Keyed(3, ADDRESS)))
        for other in (
            Keyed(4, ADDRESS),
            Keyed(-3, ADDRESS),
            Keyed(3, ADDRESS.replace("forget", "input")),
            Keyed(3 + 2**32, ADDRESS),
        ):
            assert not torch.equal(draw(Keyed(3, ADDRESS)), draw(other))

    def test_fields_cannot_run_into_each_other(self) -> None:
        assert not torch.equal(Keyed(1, "1a").uniform(3), Keyed(11, "a").uniform(3))

    def test_ten_thousand_addresses_give_ten_thousand_draws(self) -> None:
        firsts = {Keyed(0, f"layer.{n}.weight[{gate}]").uniform(1).item() for n in range(2500) for gate in "ifgo"}
        assert len(firsts) == 10_000

    def test_calls_on_one_object_are_numbered_streams(self) -> None:
        draw = Keyed(3, ADDRESS)
        first, second = draw.uniform(50), draw.uniform(50)
        assert not torch.equal(first, second)
        assert torch.equal(second, Keyed(3, ADDRESS).uniform_tile(1, 0, 50))

    def test_other_objects_and_threads_do_not_matter(self) -> None:
        expected = [Keyed(0, str(n)).normal(300) for n in range(40)]
        found: dict[int, Tensor] = {}
        workers = [
            threading.Thread(target=lambda n=n: found.update({n: Keyed(0, str(n)).normal(300)})) for n in reversed(range(40))
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert all(torch.equal(found[n], value) for n, value in enumerate(expected))

    def test_threads_that_draw_at_the_same_time_do_not_share_a_generator(self) -> None:
        expected = Keyed(0, "a").uniform(8)
        found: list[bool] = []

        def work(address: str) -> None:
            values = [Keyed(0, address).uniform(8) for _ in range(1500)]
            found.extend(torch.equal(value, expected) for value in values if address == "a")

        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        workers = [threading.Thread(target=work, args=(address,)) for address in "abac"]
        try:
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        finally:
            sys.setswitchinterval(before)
        assert len(found) == 3000 and all(found)

    def test_interleaved_objects_do_not_matter(self) -> None:
        one, two = Keyed(0, "a"), Keyed(0, "b")
        mixed = [one.normal(5), two.normal(5), one.normal(5), two.normal(5)]
        assert torch.equal(torch.stack(mixed[::2]), torch.stack([(again := Keyed(0, "a")).normal(5), again.normal(5)]))
        assert not torch.equal(mixed[0], mixed[1])


class TestTiles:
    @pytest.mark.parametrize("name", ["uniform", "normal"])
    def test_the_parts_are_the_whole(self, name: str) -> None:
        count = 3 * TILE + 1234
        whole = getattr(Keyed(5, ADDRESS), name)(count)
        draw = getattr(Keyed(5, ADDRESS), f"{name}_tile")
        assert torch.equal(whole, torch.cat([draw(0, tile, min(TILE, count - tile * TILE)) for tile in range(4)]))
        assert torch.equal(whole[2 * TILE : 3 * TILE], draw(0, 2)), "one tile inside, drawn alone"

    def test_tiles_differ(self) -> None:
        whole = Keyed(5, ADDRESS).uniform(2 * TILE)
        assert not torch.equal(whole[:TILE], whole[TILE:])

    @given(st.integers(0, 60), st.integers(0, 60))
    def test_a_part_of_a_tile_is_its_beginning(self, short: int, more: int) -> None:
        draw = Keyed(5, ADDRESS)
        assert torch.equal(draw.normal_tile(0, 7, short + more)[:short], draw.normal_tile(0, 7, short))

    def test_elements_are_row_major(self) -> None:
        assert torch.equal(Keyed(5, ADDRESS).uniform(300, 400).flatten(), Keyed(5, ADDRESS).uniform(120_000))

    @pytest.mark.parametrize(("stream", "tile", "length"), [(-1, 0, 1), (0, -1, 1), (0, 0, -1), (0, 0, TILE + 1)])
    def test_no_such_tile(self, stream: int, tile: int, length: int) -> None:
        with pytest.raises(ValueError, match="tiles count from 0"):
            Keyed(0, "a").uniform_tile(stream, tile, length)


@contextlib.contextmanager
def default_dtype(dtype: torch.dtype):  # type: ignore[no-untyped-def]
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


SURROUNDINGS: dict[str, Callable[[], contextlib.AbstractContextManager[object]]] = {
    "float64 by default": lambda: default_dtype(torch.float64),
    "bfloat16 by default": lambda: default_dtype(torch.bfloat16),
    "meta device": lambda: torch.device("meta"),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "inference mode": torch.inference_mode,
    "no grad": torch.no_grad,
    "grad": torch.enable_grad,
}


class TestSurroundings:
    @pytest.mark.parametrize("around", SURROUNDINGS)
    @pytest.mark.parametrize("name", DRAWS)
    def test_nothing_around_changes_the_bits(self, name: str, around: str) -> None:
        expected = DRAWS[name](Keyed(3, ADDRESS))
        with SURROUNDINGS[around]():
            found = DRAWS[name](Keyed(3, ADDRESS))
        assert (found.dtype, found.device.type) == (torch.float64, "cpu")
        assert not found.requires_grad and not found.is_inference() and found.is_contiguous()
        assert torch.equal(found, expected)

    @pytest.mark.parametrize("name", DRAWS)
    def test_global_random_states_stay(self, name: str) -> None:
        before = torch.get_rng_state(), repr(np.random.get_state()), random.getstate()
        DRAWS[name](Keyed(3, ADDRESS))
        assert torch.equal(torch.get_rng_state(), before[0])
        assert (repr(np.random.get_state()), random.getstate()) == before[1:]

    @pytest.mark.parametrize("name", DRAWS)
    def test_global_seeds_do_not_matter(self, name: str) -> None:
        values = []
        for seed in (1, 2):
            torch.manual_seed(seed), np.random.seed(seed), random.seed(seed)
            values.append(DRAWS[name](Keyed(3, ADDRESS)))
        assert torch.equal(*values)


class TestShapes:
    @pytest.mark.parametrize("shape", [(), (1,), (0,), (0, 5), (2, 3, 4), (1, 1, 1, 1)])
    def test_shapes(self, shape: tuple[int, ...]) -> None:
        draw = Keyed(0, "a")
        assert draw.uniform(*shape).shape == draw.normal(*shape).shape == draw.full(*shape, value=1.0).shape == shape

    @pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 7), (7, 1), (5, 5), (8, 3), (3, 8), (0, 4), (4, 0)])
    def test_haar_is_semi_orthogonal(self, rows: int, columns: int) -> None:
        w = Keyed(0, "a").haar(rows, columns)
        gram = w @ w.mT if rows <= columns else w.mT @ w
        assert w.shape == (rows, columns)
        assert torch.allclose(gram, torch.eye(min(rows, columns), dtype=torch.float64), atol=1e-14)

    def test_a_zero_on_the_diagonal_of_r_keeps_a_unit_column(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Keyed, "normal", lambda self, *shape: torch.zeros(shape, dtype=torch.float64))
        w = Keyed(0, "a").haar(3, 3)
        assert torch.allclose(w @ w.mT, torch.eye(3, dtype=torch.float64))

    def test_misuse(self) -> None:
        with pytest.raises(ValueError, match=r"no sampler is called 'v9'; this release draws 'v1'"):
            Keyed(0, "a", "v9")
        for seed, address in [(True, "a"), (1.5, "a"), ("1", "a"), (None, "a"), (1, b"a"), (1, None)]:
            with pytest.raises(TypeError):
                Keyed(seed, address)  # type: ignore[arg-type]
        for shape in [(-1,), (-1, -5), (2, -1)]:
            with pytest.raises((ValueError, RuntimeError)):
                Keyed(0, "a").uniform(*shape)

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

from rnninit_hooks.recipes.draws import Keyed
from rnninit_hooks.recipes.tiles import LANE, SAMPLER, TILE

ADDRESS = "encoder.rnn.weight_hh_l0[forget]"
DRAWS: dict[str, Callable[[Keyed], Tensor]] = {
    "uniform": lambda draw: draw.uniform(7, 9),
    "normal": lambda draw: draw.normal(7, 9),
    "haar": lambda draw: draw.haar(6, 4),
    "haar wide": lambda draw: draw.haar(4, 6),
    "haar in blocks": lambda draw: draw.haar(200, 260),
    "between": lambda draw: draw.between(-2.0, 3.0, 7, 9),
    "around": lambda draw: draw.around(-2.0, 3.0, 7, 9),
    "full": lambda draw: draw.full(2, 3, value=0.1),
    "eye": lambda draw: draw.eye(3),
}


def spelled_halves(seed: int, address: str, stream: int, tile: int, lane: str, count: int) -> list[int]:
    """Scheme v2 as its text says it, with Python's integers; SFC64 by its four lines."""
    key = hashlib.blake2b(digest_size=24, person=b"rnninit.v2")
    for field in (str(seed), address, str(stream), str(tile), lane):
        key.update(len(field.encode()).to_bytes(8, "little") + field.encode())
    a, b, c = (int.from_bytes(key.digest()[at : at + 8], "little") for at in (0, 8, 16))
    mask, found = 2**64 - 1, []
    for counter in range(1, 13 + (count + 1) // 2):
        word = (a + b + counter) & mask
        a, b, c = b ^ (b >> 11), (c + (c << 3)) & mask, (((c << 24) | (c >> 40)) + word) & mask
        found += [word & 0xFFFFFFFF, word >> 32]
    return found[24:][:count]


def spelled_out(seed: int, address: str, stream: int, tile: int, count: int) -> list[float]:
    """Uniform numbers of scheme v2, exactly."""
    lanes = [spelled_halves(seed, address, stream, tile, lane, count) for lane in ("coarse", "fine")]
    return [(2 * (coarse * 2**20 + fine // 2**12) + 1) / 2**53 for coarse, fine in zip(*lanes, strict=True)]


class TestGoldenValues:
    def test_uniform_bits_are_pinned(self) -> None:
        assert SAMPLER == "v2"
        assert Keyed(7, ADDRESS).uniform(4).tolist() == [
            0.6917125842840667,
            0.13505103953948272,
            0.43097601838612276,
            0.09593293390855895,
        ]
        assert Keyed(-1, "é").uniform(2).tolist() == [0.7494287331865969, 0.7623800436569871]
        assert Keyed(2**70, "a").uniform(1).tolist() == [0.1493577850115536]
        assert Keyed(7, "a").uniform_tile(2, 10**9, 3).tolist() == [
            0.019947949197920756,
            0.4768311522774732,
            0.05362552947487498,
        ]

    def test_narrow_values_are_pinned(self) -> None:
        draw = Keyed(7, "a", narrow=True)
        expected = torch.tensor([-0.09199708700180054, 0.09256494045257568, -0.9478324055671692])
        assert torch.equal(draw.between(-1, 1, 3), expected)

    def test_normal_values_are_pinned(self) -> None:
        draw = Keyed(7, ADDRESS)
        draw.uniform(1)
        assert draw.normal(4).tolist() == pytest.approx(
            [-0.5461013484721315, 0.8367034917339775, 0.4784374957623459, -0.08430804574376237], rel=1e-12
        )
        assert Keyed(0, "").normal(2).tolist() == pytest.approx([-0.7348142220395197, -0.6629449527090829], rel=1e-12)

    def test_haar_values_are_pinned(self) -> None:
        expected = [
            -0.36156158416548534,
            -0.41568454761897783,
            -0.8345535199893118,
            0.8880824516103867,
            0.11898530774876875,
            -0.44401808035441104,
        ]
        assert Keyed(7, "a").haar(2, 3).flatten().tolist() == pytest.approx(expected, abs=1e-12)

    @given(st.integers(-(2**80), 2**80), st.text(max_size=20), st.integers(0, 3), st.integers(0, 2**40))
    def test_the_text_of_the_scheme_says_the_same(self, seed: int, address: str, stream: int, tile: int) -> None:
        assert Keyed(seed, address).uniform_tile(stream, tile, 5).tolist() == spelled_out(seed, address, stream, tile, 5)

    def test_normal_numbers_are_made_of_pairs_of_a_chunk(self) -> None:
        u, z = spelled_out(1, "a", 0, 0, 2 * LANE), Keyed(1, "a").normal(2 * LANE).tolist()
        for near, far in zip(range(LANE), range(LANE, 2 * LANE), strict=True):
            radius = math.sqrt(-2.0 * math.log(u[near]))
            assert z[near] == pytest.approx(radius * math.cos(2.0 * math.pi * u[far]), rel=1e-9, abs=1e-12)
            assert z[far] == pytest.approx(radius * math.sin(2.0 * math.pi * u[far]), rel=1e-9, abs=1e-12)

    def test_the_ends_of_the_interval_are_open(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ends = np.array([0, 2**32 - 1] * LANE, np.uint32)
        monkeypatch.setattr("rnninit_hooks.recipes.tiles.halves", lambda *key: ends[: key[-1]].copy())
        assert Keyed(0, "a").uniform(2).tolist() == [2.0**-53, 1.0 - 2.0**-53]
        assert Keyed(0, "a", narrow=True).between(0.0, 1.0, 2).tolist() == [2.0**-33, 1.0 - 2.0**-24]
        for narrow in (False, True):
            drawn = Keyed(0, "a", narrow=narrow).around(0.0, 1.0, 2 * LANE)
            assert drawn.isfinite().all() and (drawn != 0).all(), "a reflector of length 0 would be no reflector"


class TestWorkingDtype:
    @pytest.mark.parametrize("name", ["haar", "haar wide", "haar in blocks", "between", "around"])
    def test_narrow_and_wide_agree_up_to_the_rounding_of_float32(self, name: str) -> None:
        narrow, wide = DRAWS[name](Keyed(3, ADDRESS, narrow=True)), DRAWS[name](Keyed(3, ADDRESS))
        assert (narrow.dtype, wide.dtype) == (torch.float32, torch.float64)
        assert (narrow - wide).abs().max() < 3e-6

    @pytest.mark.parametrize("name", ["uniform", "normal", "full", "eye"])
    def test_what_else_is_drawn_stays_float64(self, name: str) -> None:
        assert torch.equal(DRAWS[name](Keyed(3, ADDRESS, narrow=True)), DRAWS[name](Keyed(3, ADDRESS)))

    @pytest.mark.parametrize("shape", [(1, 1), (4, 4), (33, 7), (7, 33), (192, 192), (193, 250), (400, 300)])
    @pytest.mark.parametrize("narrow", [False, True])
    def test_matrices_drawn_together_have_the_bits_of_each_alone(self, shape: tuple[int, int], narrow: bool) -> None:
        together = Keyed.haars([Keyed(3, gate, narrow=narrow) for gate in "ifgo"], *shape)
        assert all(
            torch.equal(one, Keyed(3, gate, narrow=narrow).haar(*shape)) for one, gate in zip(together, "ifgo", strict=True)
        )


class TestKeys:
    @pytest.mark.parametrize("name", ["uniform", "normal", "haar", "haar wide", "haar in blocks", "between", "around"])
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
    @pytest.mark.parametrize("narrow", [False, True])
    def test_nothing_around_changes_the_bits(self, name: str, around: str, narrow: bool) -> None:
        expected = DRAWS[name](Keyed(3, ADDRESS, narrow=narrow))
        with SURROUNDINGS[around]():
            found = DRAWS[name](Keyed(3, ADDRESS, narrow=narrow))
        assert (found.dtype, found.device.type) == (expected.dtype, "cpu")
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


def _residual(matrix: Tensor) -> float:
    wide = matrix.to(torch.float64)
    gram = wide @ wide.mT if wide.shape[0] <= wide.shape[1] else wide.mT @ wide
    return float((gram - torch.eye(len(gram), dtype=torch.float64)).norm())


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

    @pytest.mark.parametrize(("rows", "columns"), [(64, 64), (191, 191), (193, 193), (256, 320), (513, 257)])
    @pytest.mark.parametrize("narrow", [False, True])
    def test_the_residual_is_no_larger_than_that_of_torch(self, rows: int, columns: int, narrow: bool) -> None:
        dtype = torch.float32 if narrow else torch.float64
        torch.manual_seed(0)
        theirs = [_residual(torch.nn.init.orthogonal_(torch.empty(rows, columns, dtype=dtype))) for _ in range(5)]
        ours = [_residual(Keyed(seed, "a", narrow=narrow).haar(rows, columns)) for seed in range(5)]
        assert sum(ours) <= 1.1 * sum(theirs)

    def test_misuse(self) -> None:
        with pytest.raises(ValueError, match=r"no sampler is called 'v9'; this release draws 'v2'"):
            Keyed(0, "a", "v9")
        for seed, address in [(True, "a"), (1.5, "a"), ("1", "a"), (None, "a"), (1, b"a"), (1, None)]:
            with pytest.raises(TypeError):
                Keyed(seed, address)  # type: ignore[arg-type]
        for shape in [(-1,), (-1, -5), (2, -1)]:
            with pytest.raises((ValueError, RuntimeError)):
                Keyed(0, "a").uniform(*shape)

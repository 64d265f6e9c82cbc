"""Eigenvalues in a ring: where they lie, how they are spread, and that the three parameters of an LRU belong together."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from rnninit_hooks.errors import RnnInitError
from rnninit_hooks.recipes.base import Block
from rnninit_hooks.recipes.draws import Keyed
from rnninit_hooks.recipes.registry import find
from rnninit_hooks.recipes.rings import LruRing, RgLru

from .blocks import DTYPES, block, filled, stored
from .test_statistics import kolmogorov

ROLES = ("nu_log", "theta_log", "gamma_log")
edges = st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)).map(sorted).filter(lambda pair: pair[1] - pair[0] > 1e-3)
rings = st.builds(lambda pair, phase: LruRing(r_min=pair[0], r_max=pair[1], max_phase=phase), edges, st.floats(0.01, 2 * math.pi))
shapes = st.one_of(st.tuples(st.integers(1, 65)), st.tuples(st.integers(1, 9), st.integers(1, 9)))


def trio(shape: tuple[int, ...], path: str = "lru.", eps: float = 2.0**-23) -> tuple[Block, ...]:
    return tuple(replace(block(*shape, address=path + role), eps=eps) for role in ROLES)


def drawn(ring: LruRing, blocks: tuple[Block, ...], seed: int = 0) -> tuple[Tensor, ...]:
    return tuple(filled(ring, of, seed) for of in blocks)


def squares(nu: Tensor) -> Tensor:
    """|lambda|² as a model computes it."""
    return torch.polar((-nu.exp()).exp(), torch.zeros_like(nu)).abs().square()


class TestLru:
    @given(rings, shapes, st.integers(0, 2**63))
    def test_radii_phases_and_scales(self, ring: LruRing, shape: tuple[int, ...], seed: int) -> None:
        nu, theta, gamma = drawn(ring, trio(shape), seed)
        assert ring.r_min - 1e-12 <= squares(nu).sqrt().min() and squares(nu).sqrt().max() <= ring.r_max + 1e-12
        assert theta.exp().min() > 0.0 and theta.exp().max() <= ring.max_phase
        assert (squares(nu) + gamma.exp().square() - 1.0).abs().max() < 1e-12

    @given(rings, shapes, st.integers(0, 2**63), st.sampled_from(DTYPES))
    def test_obeys_alone_and_together_in_every_dtype(self, ring: LruRing, shape: tuple[int, ...], seed: int, dtype: torch.dtype) -> None:
        blocks = trio(shape, eps=torch.finfo(dtype).eps)
        values = tuple(stored(value, dtype) for value in drawn(ring, blocks, seed))
        assert [ring.law(of, value) for of, value in zip(blocks, values, strict=True)] == [()] * 3
        assert ring.refuse_together(blocks) is None and ring.law_together(blocks, values) == ()

    @pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.9, 0.999), (0.4, 0.5)])
    def test_squares_and_phases_are_uniform(self, low: float, high: float) -> None:
        ring = LruRing(r_min=low, r_max=high, max_phase=math.pi / 10)
        nu, theta, _ = drawn(ring, trio((20_000,)))
        assert kolmogorov((squares(nu) - low**2) / (high**2 - low**2), lambda x: x) < 2.5
        assert kolmogorov(theta.exp() / (math.pi / 10), lambda x: x) < 2.5
        assert abs(torch.corrcoef(torch.stack([nu, theta]))[0, 1].item()) < 5.0 / math.sqrt(20_000)

    def test_white_noise_in_gives_states_of_one_size(self) -> None:
        """What gamma is for: the variance of x' = lambda x + gamma u settles at 1, whatever lambda."""
        nu, theta, gamma = drawn(LruRing(r_min=0.5, r_max=0.9), trio((200,)))
        lam, state, sizes = torch.polar((-nu.exp()).exp(), theta.exp()), torch.zeros(200, dtype=torch.complex128), []
        generator = torch.Generator().manual_seed(0)
        for _ in range(600):
            state = lam * state + gamma.exp() * torch.randn(200, dtype=torch.complex128, generator=generator)
            sizes.append(state.abs().square())
        assert torch.stack(sizes[200:]).mean(0).mean().item() == pytest.approx(1.0, rel=0.05)

    def test_another_name_or_path_draws_other_numbers_and_its_own_scale(self) -> None:
        first, second = drawn(LruRing(), trio((8,))), drawn(LruRing(), trio((8,), path="b.lru."))
        assert not torch.equal(first[0], second[0]) and not torch.equal(first[2], second[2])
        named = LruRing(radius="nu", phase="theta", scale="gamma")
        nu, gamma = filled(named, block(8, address="nu")), filled(named, block(8, address="gamma"))
        assert (squares(nu) + gamma.exp().square() - 1.0).abs().max() < 1e-12


class TestLruLaws:
    def test_radii_uniform_instead_of_their_squares_are_seen(self) -> None:
        nu_block = trio((4000,))[0]
        radii = torch.rand(4000, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.4
        found = LruRing(r_min=0.4, r_max=0.9).law(nu_block, (-radii.log()).log())
        assert "mean" in {breach.law for breach in found}

    @pytest.mark.parametrize("role", range(3))
    def test_another_ring_is_seen_in_each_parameter(self, role: int) -> None:
        blocks = trio((64,))
        wide, narrow = LruRing(r_min=0.0, r_max=1.0), LruRing(r_min=0.9, r_max=0.999, max_phase=math.pi / 10)
        assert narrow.law(blocks[role], drawn(wide, blocks)[role])
        assert wide.law(blocks[role], drawn(narrow, blocks)[role])

    @pytest.mark.parametrize("value", [9.0, -60.0])
    def test_radii_that_only_rounding_could_give_are_out_of_range(self, value: float) -> None:
        """A ring that reaches 0 and 1 has no bounds in nu; that a number lies where none is ever drawn is seen all the same."""
        nu_block = trio((6,))[0]
        nu = filled(LruRing(), nu_block)
        nu[2] = value
        assert [breach.law for breach in LruRing().law(nu_block, nu)] == ["range"]

    @pytest.mark.parametrize("dtype", DTYPES, ids=str)
    def test_a_scale_of_another_draw_is_seen(self, dtype: torch.dtype) -> None:
        """Each parameter obeys alone, so that only the law of them together can tell."""
        ring, blocks = LruRing(r_min=0.4, r_max=0.9), trio((16,), eps=torch.finfo(dtype).eps)
        nu, theta, _ = (stored(value, dtype) for value in drawn(ring, blocks, 0))
        other = stored(drawn(ring, blocks, 1)[2], dtype)
        assert ring.law(blocks[2], other) == ()
        (breach,) = ring.law_together(blocks, (nu, theta, other))
        assert breach.expected == "1" and "lru.nu_log and lru.gamma_log" in breach.law

    def test_the_paper_s_scale_without_the_logarithm_is_seen(self) -> None:
        blocks = trio((16,))
        nu, theta, gamma = drawn(LruRing(r_min=0.4, r_max=0.9), blocks)
        assert LruRing(r_min=0.4, r_max=0.9).law(blocks[2], gamma.exp())
        assert LruRing(r_min=0.4, r_max=0.9).law_together(blocks, (nu, theta, gamma.exp()))


    @pytest.mark.parametrize("ring", [LruRing(), LruRing(r_min=0.9), RgLru(r_min=0.0, r_max=1.0), RgLru(r_max=1.0)], ids=str)
    def test_the_outermost_numbers_of_the_sampler_stay_finite(self, ring: LruRing | RgLru) -> None:
        """A radius of exactly 1 has no logarithm of its logarithm; rounding makes 1 of a number just below it."""
        for u in (2.0**-53, 1.0 - 2.0**-53):
            for role in ROLES if isinstance(ring, LruRing) else ("a_param",):
                assert ring.fill(block(3, address=f"lru.{role}"), Edge(u)).isfinite().all()


class Edge(Keyed):
    """Draws one number alone."""

    def __init__(self, u: float) -> None:
        super().__init__(0, "edge")
        self.u = u

    def of(self, address: str) -> Edge:
        return self

    def uniform(self, *shape: int) -> Tensor:
        return torch.full(shape, self.u, dtype=torch.float64)


class TestLruRefusals:
    def test_other_parameters_are_not_claimed(self) -> None:
        other = block(3, 3, address="lru.B_re")
        assert not LruRing().claims(other) and "say `radius`" in str(LruRing().refuse(other))
        with pytest.raises(RnnInitError, match="nu_log, theta_log and gamma_log"):
            filled(LruRing(), other)

    def test_a_scale_without_its_radius_and_one_of_another_shape(self) -> None:
        nu, theta, gamma = trio((4,))
        assert "which this rule does not decide" in str(LruRing().refuse_together((theta, gamma)))
        assert "shape (5,)" in str(LruRing().refuse_together((nu, replace(gamma, shape=(5,)))))
        assert LruRing().refuse_together((nu, theta)) is None
        elsewhere = replace(nu, address="other.nu_log")
        assert "lru.gamma_log follows nu_log" in str(LruRing().refuse_together((elsewhere, gamma)))

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"r_min": 0.9, "r_max": 0.9}, "r_min must be below r_max"), ({"r_min": -0.1}, "greater than or equal to 0"),
            ({"r_max": 1.1}, "less than or equal to 1"), ({"max_phase": 7.0}, "less than or equal to 6.28"), ({"max_phase": 0.0}, "greater than 0"),
            ({"scale": "nu_log"}, "three parameters"), ({"radius": ""}, "at least 1 character"), ({"gamma": "g"}, "Extra"),
        ],
    )  # fmt: skip
    def test_fields(self, fields: dict[str, object], words: str) -> None:
        with pytest.raises(ValidationError, match=words):
            find("lru_ring")(**fields)


class TestRgLru:
    @given(edges, shapes, st.integers(0, 2**63))
    def test_the_base_lies_in_the_ring(self, pair: list[float], shape: tuple[int, ...], seed: int) -> None:
        value = filled(RgLru(r_min=pair[0], r_max=pair[1]), block(*shape), seed)
        base = torch.exp(-torch.nn.functional.softplus(value))
        assert pair[0] - 1e-12 <= base.min() and base.max() <= pair[1] + 1e-12

    def test_squares_of_the_base_are_uniform_and_the_effective_decay_is_the_documented_one(self) -> None:
        value = filled(RgLru(), block(20_000))
        base = torch.exp(-torch.nn.functional.softplus(value))
        assert kolmogorov((base.square() - 0.81) / (0.999**2 - 0.81), lambda x: x) < 2.5
        decay = torch.exp(-8.0 * 0.5 * torch.nn.functional.softplus(value))
        assert (round(decay.min().item(), 3), round(decay.max().item(), 3)) == (0.656, 0.996)

    def test_a_uniform_base_and_a_missing_softplus_are_seen(self) -> None:
        of = block(4000)
        base = torch.rand(4000, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 0.59 + 0.4
        wide = RgLru(r_min=0.4, r_max=0.99)
        assert wide.law(of, filled(wide, of)) == ()
        assert "mean" in {breach.law for breach in wide.law(of, (1.0 / base - 1.0).log())}
        assert [breach.law for breach in wide.law(of, -base.log())] == ["range"]

"""S4D, Mamba and log-uniform numbers: what the layer computes from what is stored."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch.nn import functional

from rnninit_hooks.recipes.base import Block
from rnninit_hooks.recipes.registry import find
from rnninit_hooks.recipes.state_spaces import LogUniform, Mamba2ALog, MambaDtBias, S4dLin, S4dReal

from .blocks import DTYPES, block, filled, stored
from .test_laws import in_dtype
from .test_statistics import kolmogorov

bounds = st.tuples(st.floats(1e-4, 10.0), st.floats(1e-3, 10.0)).map(lambda pair: (pair[0], pair[0] + pair[1]))
shapes = st.one_of(st.tuples(st.integers(1, 65)), st.tuples(st.integers(1, 9), st.integers(1, 9)))


class TestS4d:
    @given(shapes)
    def test_lin_has_real_part_minus_a_half_and_multiples_of_pi(self, shape: tuple[int, ...]) -> None:
        real, imag = (filled(S4dLin(), block(*shape, address=f"kernel.{leaf}")) for leaf in ("log_A_real", "A_imag"))
        a = torch.complex(-real.exp(), imag)
        assert torch.allclose(a.real, torch.tensor(-0.5, dtype=torch.float64), rtol=1e-15)
        assert torch.equal(a.imag, math.pi * torch.arange(shape[-1], dtype=torch.float64).expand(shape))

    @given(shapes)
    def test_real_counts_along_the_last_axis(self, shape: tuple[int, ...]) -> None:
        a = -filled(S4dReal(), block(*shape)).exp()
        assert torch.allclose(a, -torch.arange(1.0, shape[-1] + 1, dtype=torch.float64).expand(shape), rtol=1e-14)

    def test_the_other_axis_is_seen(self) -> None:
        of = block(5, 5)
        assert S4dReal().law(of, filled(S4dReal(), of).mT)
        turned = block(5, 5, address="kernel.A_imag")
        assert S4dLin().law(turned, filled(S4dLin(), turned).mT)

    def test_counting_from_one_or_a_forgotten_logarithm_is_seen_and_named(self) -> None:
        imag, real = block(4, address="k.A_imag"), block(4, address="k.log_A_real")
        (breach,) = S4dLin().law(imag, filled(S4dLin(), imag) + math.pi)
        assert breach.expected == "0" and breach.found.startswith("3.14159265 at element 0 (4 of 4")
        assert S4dLin().law(real, torch.full((4,), 0.5, dtype=torch.float64))

    def test_names_and_refusals(self) -> None:
        named = S4dLin(real="inv_A_real", imag="im")
        assert named.claims(block(3, address="k.inv_A_real")) and not named.claims(block(3, address="k.A_imag"))
        assert "say `real` and `imag`" in str(S4dLin().refuse(block(3, address="k.C")))
        for recipe, address in ((S4dLin(), "A_imag"), (S4dReal(), "A_log")):
            assert "single number" in str(recipe.refuse(Block(address, ())))
        with pytest.raises(ValidationError, match="two parameters"):
            S4dLin(real="A", imag="A")


class TestSteps:
    @given(bounds, shapes, st.booleans(), st.integers(0, 2**63))
    def test_log_uniform_stays_within_and_obeys(self, ends: tuple[float, float], shape: tuple[int, ...], log: bool, seed: int) -> None:
        recipe = LogUniform(low=ends[0], high=ends[1], as_log=log)
        value = filled(recipe, block(*shape), seed)
        number = value.exp() if log else value
        assert ends[0] * (1 - 1e-12) <= number.min() and number.max() <= ends[1] * (1 + 1e-12)

    def test_log_uniform_is_uniform_in_the_logarithm(self) -> None:
        value = filled(LogUniform(low=0.001, high=0.1), block(20_000))
        assert kolmogorov((value.log10() + 3.0) / 2.0, lambda x: x) < 2.5
        flat = torch.rand(500, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 0.099 + 0.001
        assert "mean" in {breach.law for breach in LogUniform(low=0.001, high=0.1).law(block(500), flat)}
        assert LogUniform(low=0.001, high=0.1, as_log=True).law(block(500), value[:500])

    @given(bounds, shapes, st.integers(0, 2**63))
    def test_softplus_of_mamba_s_bias_is_the_step(self, ends: tuple[float, float], shape: tuple[int, ...], seed: int) -> None:
        low, high = ends
        dt = functional.softplus(filled(MambaDtBias(low=low, high=high, floor=0.0), block(*shape), seed))
        plain = filled(LogUniform(low=low, high=high), block(*shape), seed)
        assert torch.allclose(dt, plain, rtol=1e-9, atol=0.0)

    @given(st.floats(0.001, 0.09), shapes, st.integers(0, 2**63), st.sampled_from(DTYPES))
    def test_a_floor_lifts_what_lies_below_and_still_obeys(self, floor: float, shape: tuple[int, ...], seed: int, dtype: torch.dtype) -> None:
        recipe, of = MambaDtBias(floor=floor), in_dtype(block(*shape), dtype)
        value = filled(recipe, of, seed)
        dt, plain = functional.softplus(value), filled(LogUniform(low=0.001, high=0.1), of, seed)
        assert torch.allclose(dt, plain.clamp_min(floor), rtol=1e-9, atol=0.0)
        assert recipe.law(of, stored(value, dtype)) == ()

    def test_the_law_knows_how_much_lies_on_the_floor(self) -> None:
        of, lifted = block(4000), MambaDtBias(floor=0.03)
        assert lifted.law(of, filled(lifted, of)) == ()
        assert [breach.law for breach in lifted.law(of, filled(MambaDtBias(), of))] == ["range"]
        heap = functional.softplus(filled(lifted, of)).log()
        u = (heap - math.log(0.001)) / math.log(100.0)
        spread = lifted.spread
        assert u.mean().item() == pytest.approx(spread.mean, abs=5 * spread.std / math.sqrt(4000))
        assert u.std().item() == pytest.approx(spread.std, rel=0.03)
        assert (((u - spread.mean) / spread.std) ** 4).mean().item() == pytest.approx(spread.kurtosis, rel=0.1)
        above = MambaDtBias(low=0.0301, high=0.1)
        assert {breach.law for breach in lifted.law(of, filled(above, of))} & {"mean", "std around 0.7"}

    def test_a_bias_that_is_the_step_or_its_logarithm_is_seen(self) -> None:
        of = block(64)
        dt = functional.softplus(filled(MambaDtBias(), of))
        assert MambaDtBias().law(of, dt) and MambaDtBias().law(of, torch.zeros(64, dtype=torch.float64))
        assert MambaDtBias(low=1.0, high=10.0).law(of, dt.log())

    def test_mamba_two_and_gated_delta_net(self) -> None:
        for low in (1.0, 0.0):
            value = filled(Mamba2ALog(low=low), block(20_000)).exp()
            assert kolmogorov((value - low) / (16.0 - low), lambda x: x) < 2.5
        assert Mamba2ALog().law(block(64), filled(Mamba2ALog(), block(64)).exp())
        assert Mamba2ALog().law(block(64), filled(Mamba2ALog(low=0.0), block(64)))

    @pytest.mark.parametrize(("low", "high", "dtype"), [(1.0, 1.003, torch.bfloat16), (0.11, 0.1101, torch.float16)], ids=str)
    def test_a_range_narrower_than_rounding_still_obeys(self, low: float, high: float, dtype: torch.dtype) -> None:
        """Stored, all of it may be one number or two, and no longer look uniform."""
        recipe, of = LogUniform(low=low, high=high), in_dtype(block(64), dtype)
        assert recipe.law(of, stored(filled(recipe, of), dtype)) == ()
        assert recipe.law(block(64), stored(filled(recipe, of), dtype)), "in float32 they would be wrong"

    @pytest.mark.parametrize(
        ("kind", "fields", "words"),
        [
            ("log_uniform", {"low": 0.1}, "Field required"), ("log_uniform", {"low": 0.0, "high": 1.0}, "greater than 0"),
            ("log_uniform", {"low": 1.0, "high": 1.0}, "low must be below high"), ("mamba_dt_bias", {"low": 0.2}, "low must be below high"),
            ("mamba_dt_bias", {"floor": 0.1}, "floor must be below high"), ("mamba_dt_bias", {"floor": -1.0}, "greater than or equal to 0"),
            ("mamba2_a_log", {"low": 16.0}, "low must be below high"), ("mamba2_a_log", {"low": -1.0}, "greater than or equal to 0"),
        ],
    )  # fmt: skip
    def test_fields(self, kind: str, fields: dict[str, object], words: str) -> None:
        with pytest.raises(ValidationError, match=words):
            find(kind)(**fields)

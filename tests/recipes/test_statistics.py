"""What is drawn has the distribution that it claims; seeds are fixed and bounds are wide."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import pytest
import torch
from torch import Tensor

from rnninit_hooks.recipes.draws import Keyed
from rnninit_hooks.recipes.laws import Spread

from .blocks import RANDOM, block, example, filled


def phi(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def kolmogorov(sample: Tensor, cdf: Callable[[float], float]) -> float:
    """sqrt(n) times the Kolmogorov-Smirnov distance; above 2.5 with probability 7e-6."""
    n = sample.numel()
    theory = torch.tensor([cdf(x) for x in sample.flatten().sort().values.tolist()], dtype=torch.float64)
    steps = torch.arange(n + 1, dtype=torch.float64) / n
    return math.sqrt(n) * max((steps[1:] - theory).max().item(), (theory - steps[:-1]).max().item())


@pytest.mark.parametrize("seed", range(5))
def test_uniform_is_uniform(seed: int) -> None:
    u = Keyed(seed, "a").uniform(100, 1000)
    assert kolmogorov(u, lambda x: x) < 2.5
    assert abs(u.mean().item() - 0.5) < 5.0 * math.sqrt(1 / 12 / 1e5)
    assert u.min().item() > 0.0
    assert u.max().item() < 1.0


@pytest.mark.parametrize("seed", range(5))
def test_normal_is_normal(seed: int) -> None:
    z = Keyed(seed, "a").normal(100_000)
    assert kolmogorov(z, phi) < 2.5
    for power, expected, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((z**power).mean().item() - expected) < 5.0 * math.sqrt(variance / 1e5)


def test_kolmogorov_tells_a_wrong_distribution() -> None:
    assert kolmogorov(Keyed(0, "a").uniform(10_000) * 0.95, lambda x: min(x, 1.0)) > 2.5


def test_neighbours_streams_and_addresses_are_uncorrelated() -> None:
    n = 50_000
    draw = Keyed(0, "a")
    first, second, other = draw.normal(n), draw.normal(n), Keyed(0, "b").normal(n)
    for one, two in ((first[1:], first[:-1]), (first, second), (first, other)):
        assert abs((one * two).mean().item()) < 5.0 / math.sqrt(n)


@pytest.mark.parametrize(("low", "high"), [(-2.0, 2.0), (-1.0, 3.0), (0.0, 2.5), (-0.5, 0.1), (1.5, 9.0), (-50.0, 50.0)])
def test_truncated_normal(low: float, high: float) -> None:
    for corrected in (True, False):
        recipe = example("trunc_normal", mean=0.3, std=0.05, low=low, high=high, corrected=corrected)
        value, spread = filled(recipe, block(300, 300)), recipe.spread  # type: ignore[attr-defined]
        scale = (spread.high - 0.3) / high
        inside = phi(high) - phi(low)
        assert kolmogorov(value, lambda x, s=scale, p=inside: (phi((x - 0.3) / s) - phi(low)) / p) < 2.5
        assert value.std().item() == pytest.approx(spread.std, rel=0.02)
        assert value.mean().item() == pytest.approx(spread.mean, abs=5.0 * spread.std / 300)
        assert spread.low <= value.min().item() and value.max().item() <= spread.high
        assert spread.std == pytest.approx(0.05) if corrected else spread.std < 0.05 or low < -9.0


@pytest.mark.parametrize("kind", RANDOM)
def test_kurtosis_and_peak_of_the_law_are_those_of_the_draw(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spreads: list[Spread] = []
    monkeypatch.setattr("rnninit_hooks.recipes.iid.judge", lambda block, value, spread: spreads.append(spread) or ())
    where = block(400, 400)
    value = filled(example(kind), where)
    example(kind).law(where, value)
    z = (value - spreads[0].mean) / spreads[0].std
    assert (z**4).mean().item() == pytest.approx(spreads[0].kurtosis, rel=0.05)
    assert z.mean().item() == pytest.approx(0.0, abs=5.0 / 400)
    assert z.std().item() == pytest.approx(1.0, rel=0.01)
    densest = torch.histc(z, 40, -2.0, 2.0).max().item() / z.numel() / 0.1
    assert densest == pytest.approx(spreads[0].peak, rel=0.05)


class TestHaar:
    def test_both_determinants_come_equally_often(self) -> None:
        signs = [torch.linalg.det(Keyed(seed, "a").haar(5, 5)).sign().item() for seed in range(400)]
        assert 150 < signs.count(1.0) < 250

    def test_the_diagonal_has_no_preferred_sign(self) -> None:
        """Without the signs of R, LAPACK's convention makes most diagonal entries negative."""
        diagonal = torch.cat([Keyed(seed, "a").haar(4, 4).diagonal() for seed in range(400)])
        assert abs((diagonal > 0).double().mean().item() - 0.5) < 5.0 * 0.5 / math.sqrt(1600)

    @pytest.mark.parametrize(("rows", "columns"), [(6, 6), (9, 4), (4, 9)])
    def test_moments_of_entries(self, rows: int, columns: int) -> None:
        many = torch.stack([Keyed(seed, "a").haar(rows, columns) for seed in range(2000)])
        size = max(rows, columns)
        assert (many.mean(0).abs() < 5.0 / math.sqrt(size * 2000)).all()
        assert ((many.square().mean(0) * size - 1.0).abs() < 5.0 * math.sqrt(2.0 / 2000)).all()
        assert ((many**4).mean(0) * size * (size + 2) / 3 - 1.0).abs().max() < 0.5

    def test_traces_are_those_of_the_orthogonal_group(self) -> None:
        """E tr W = 0, E (tr W)² = 1, E tr W² = 1 for every size (Diaconis and Shahshahani 1994)."""
        many = torch.stack([Keyed(seed, "a").haar(8, 8) for seed in range(2000)])
        traces = many.diagonal(dim1=1, dim2=2).sum(1)
        assert abs(traces.mean().item()) < 5.0 / math.sqrt(2000)
        assert abs(traces.square().mean().item() - 1.0) < 5.0 * math.sqrt(2.0 / 2000)
        assert abs((many @ many).diagonal(dim1=1, dim2=2).sum(1).mean().item() - 1.0) < 5.0 * math.sqrt(2.0 / 2000)

    def test_eigenvalues_spread_round_the_circle(self) -> None:
        eigenvalues = torch.cat([torch.linalg.eigvals(Keyed(seed, "a").haar(16, 16)) for seed in range(200)])
        assert (eigenvalues.abs() - 1.0).abs().max() < 1e-12
        turning = eigenvalues.angle()[
            eigenvalues.imag > 1e-9
        ]  # half of all such matrices have determinant -1 and so the eigenvalues +1 and -1
        bins = torch.histc(turning, 4, 0.0, math.pi) / len(turning)
        assert (bins - 1 / 4).abs().max() < 0.03

    def test_a_fixed_rotation_changes_nothing(self) -> None:
        fixed = Keyed(99, "rotation").haar(5, 5)
        many = torch.stack([Keyed(seed, "a").haar(5, 5) for seed in range(1500)])
        for turned in (many @ fixed, fixed @ many):
            plain, other = many[:, 0, 0].sort().values, turned[:, 0, 0].sort().values
            both = torch.cat([plain, other])
            gap = (torch.searchsorted(plain, both, right=True) - torch.searchsorted(other, both, right=True)).abs().max()
            assert gap.item() / 1500 * math.sqrt(1500 / 2) < 2.5


@lru_cache(maxsize=2)
def in_blocks(narrow: bool) -> torch.Tensor:
    return torch.stack([Keyed(seed, "b", narrow=narrow).haar(200, 200).double() for seed in range(100)])


@pytest.mark.parametrize("narrow", [False, True])
class TestHaarInBlocks:
    """The same of matrices whose reflectors go in blocks, in both working dtypes."""

    def test_entries_are_those_of_points_on_a_sphere(self, narrow: bool) -> None:
        """A coordinate squared is Beta(1/2, 99.5) distributed; at 200 dimensions a normal is within 1e-3 of it."""
        many = in_blocks(narrow)
        for part in (many[:, :64, :64], many[:, 150:, 150:], many[:, :64, 150:], many[:, 150:, :64]):
            assert kolmogorov(part * math.sqrt(200), phi) < 2.5

    def test_traces_are_those_of_the_orthogonal_group(self, narrow: bool) -> None:
        many = in_blocks(narrow)
        traces = many.diagonal(dim1=1, dim2=2).sum(1)
        squares = (many * many.mT).sum((1, 2))
        assert abs(traces.mean().item()) < 5.0 / math.sqrt(100)
        assert abs(traces.square().mean().item() - 1.0) < 5.0 * math.sqrt(2.0 / 100)
        assert abs(squares.mean().item() - 1.0) < 5.0 * math.sqrt(2.0 / 100)

    def test_both_determinants_come_equally_often(self, narrow: bool) -> None:
        many = in_blocks(narrow)
        signs = torch.linalg.slogdet(many).sign
        assert 25 <= (signs > 0).sum().item() <= 75

    def test_eigenangles_repel_each_other_and_spread_round_the_circle(self, narrow: bool) -> None:
        """Spacings in units of their mean have variance 0.18 (Dyson's beta = 2), those of independent angles 1."""
        many = in_blocks(narrow)
        angles = torch.linalg.eigvals(many[:12]).angle()
        upper = [one[one > 1e-6].sort().values for one in angles]
        spacings = torch.cat([one.diff() * 200 / (2 * math.pi) for one in upper])
        assert spacings.mean().item() == pytest.approx(1.0, abs=0.02)
        assert 0.14 < spacings.var().item() < 0.22
        bins = torch.histc(torch.cat(upper), 8, 0.0, math.pi) / sum(map(len, upper))
        assert (bins - 1 / 8).abs().max() < 0.01

    def test_a_fixed_rotation_changes_nothing(self, narrow: bool) -> None:
        many = in_blocks(narrow)
        fixed = Keyed(99, "rotation").haar(200, 200)
        for turned in (many @ fixed, fixed @ many):
            assert kolmogorov(turned[:, :3, 100:103] * math.sqrt(200), phi) < 2.5

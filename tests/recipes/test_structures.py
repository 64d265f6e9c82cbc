"""Structured recipes one by one: what is drawn has the distribution, and is the matrix, that its formula says."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from rnninit_hooks.recipes.draws import Keyed
from rnninit_hooks.recipes.matrices import alike, at_most
from rnninit_hooks.recipes.orthogonal import Orthogonal
from rnninit_hooks.recipes.spectral import spectrum

from .blocks import block, example, filled
from .test_families import PEERS, gate
from .test_statistics import kolmogorov, phi


def eye(n: int) -> Tensor:
    return torch.eye(n, dtype=torch.float64)


def words(recipe: Any, of: Any, value: Tensor) -> list[str]:
    return [str(breach) for breach in recipe.law(of, value)]


class TestVectors:
    def test_linspace_is_torchs_in_float32_and_both_ends_are_exact(self) -> None:
        recipe, of = example("linspace", low=3.1, high=-6.7), block(77)
        value = filled(recipe, of)
        assert (value[0].item(), value[-1].item()) == (3.1, -6.7)
        assert recipe.law(of, torch.linspace(3.1, -6.7, 77).double()) == ()
        assert words(recipe, of, value.flip(0))[0].startswith("value: found")
        assert recipe.law(replace(of, kind="bias"), value + 1e-9) == () != recipe.law(of, value + 1e-4)

    def test_one_element_out_of_line_is_named(self) -> None:
        value = torch.tensor([0.0, 1.0, 2.5, 3.0], dtype=torch.float64)
        assert words(example("linspace", low=0.0, high=3.0), block(4), value) == ["value: found 2.5 at [2] (1 of 4 elements differ), expected 2 there"]

    @pytest.mark.parametrize(("last", "low"), [(False, 0.0), (True, 2.0 ** (-1 / 10))])
    def test_indrnn_is_uniform_and_grows_to_its_gain_in_its_steps(self, last: bool, low: float) -> None:
        recipe, of = example("indrnn", steps=10, last=last), block(4000)
        value, high = filled(recipe, of), 2.0 ** (1 / 10)
        assert kolmogorov(value, lambda x: (x - low) / (high - low)) < 2.5
        assert (value**10).max() <= 2.0 and (value**10).min() >= low**10
        assert recipe.law(of, value - 0.1) and recipe.law(of, value * 1.01)
        assert example("indrnn", steps=10, last=not last).law(of, value)


class TestSparse:
    @pytest.mark.parametrize("per", ["row", "column"])
    def test_counts_places_and_values(self, per: str) -> None:
        recipe = example("sparse", nonzero=7, std=0.3, per=per)
        many = torch.stack([filled(recipe, block(20, 30), seed) for seed in range(600)])
        lines = many if per == "row" else many.mT
        assert ((lines != 0).sum(-1) == 7).all()
        shares = (lines != 0).double().mean(0)
        expected = 7 / shares.shape[1]
        assert ((shares - expected).abs() < 5.0 * math.sqrt(expected * (1 - expected) / 600)).all()
        assert kolmogorov(many[many != 0], lambda x: phi(x / 0.3)) < 2.5

    def test_torchs_own_counts_per_column_and_is_told(self) -> None:
        weight = torch.nn.init.sparse_(torch.empty(50, 40), sparsity=0.9, std=0.5).double()
        assert example("sparse", nonzero=5, std=0.5, per="column").law(block(50, 40), weight) == ()
        (breach,) = example("sparse", nonzero=4, std=0.5, per="row").law(block(50, 40), weight)
        assert breach.law == "non-zero elements per row"

    def test_the_first_columns_for_every_unit_is_no_chance(self) -> None:
        weight = torch.zeros(100, 40, dtype=torch.float64)
        weight[:, :5] = 0.3 * Keyed(0, "a").normal(100, 5)
        assert [b.law for b in example("sparse", nonzero=5, std=0.3).law(block(100, 40), weight)] == ["non-zero elements in one column"]

    def test_what_a_narrow_dtype_rounds_to_0_is_forgiven_and_a_missing_element_is_not(self) -> None:
        recipe, of = example("sparse", nonzero=20, std=1e-6), replace(block(50, 40), eps=2.0**-10)
        value = filled(recipe, of).half().double()
        assert 0 < (value == 0).sum() - 1000 < 30, "float16 lost some"
        assert recipe.law(of, value) == ()
        of = block(50, 40)
        wide = filled(example("sparse", nonzero=20, std=1.0), of)
        wide[3][wide[3] != 0] *= torch.arange(20, dtype=torch.float64).clamp(max=1.0)
        assert words(example("sparse", nonzero=20, std=1.0), of, wide) == ["non-zero elements per row: found 19 to 20, expected 20"]

    def test_a_wrong_deviation_is_told(self) -> None:
        value = filled(example("sparse", nonzero=20, std=0.2), block(60, 60))
        assert example("sparse", nonzero=20, std=0.4).law(block(60, 60), value)

    def test_the_count_that_chance_allows(self) -> None:
        """At the bound itself, against the exact tail of Poisson's distribution."""
        for mean in (0.1, 1.0, 7.0, 40.0):
            bound = at_most(mean, tail=1e-6)
            tail = math.exp(-mean) * sum(math.exp(k * math.log(mean) - math.lgamma(k + 1)) for k in range(bound + 1, bound + 200))
            assert 1e-9 < tail < 1e-6


class TestSpectra:
    @pytest.mark.parametrize(("size", "density"), [(1, 1.0), (2, 0.5), (30, 0.1), (50, 0.02), (64, 1.0), (65, 0.3)])
    def test_radius_and_density(self, size: int, density: float) -> None:
        recipe, of = example("spectral_radius", radius=1.25, density=density), block(size, size)
        for seed in range(30):
            value = filled(recipe, of, seed)
            assert torch.linalg.eigvals(value).abs().max().item() == pytest.approx(1.25, rel=1e-6)
            assert (value != 0).sum() == round(density * size * size)
            assert recipe.law(of, value) == ()
            assert recipe.law(of, 1.01 * value) and recipe.law(of, 0.99 * value)

    def test_elements_are_normal_up_to_their_scale(self) -> None:
        value = filled(example("spectral_radius"), block(200, 200))
        assert kolmogorov(value / value.std(), phi) < 2.5
        places = torch.stack([filled(example("spectral_radius", density=0.2), block(12, 12), seed) != 0 for seed in range(400)])
        assert (places.double().mean(0) - 0.2).abs().max() < 5.0 * math.sqrt(0.2 * 0.8 / 400)

    def test_nilpotent_draws_are_drawn_again(self) -> None:
        """In shape (3, 3) with 3 elements 6 of the 84 choices have no cycle."""
        recipe, of, redrawn = example("spectral_radius", density=1 / 3), block(3, 3), 0
        for seed in range(200):
            first = recipe._gaussian(of, Keyed(seed, of.address))
            nilpotent = bool((first.matrix_power(3) == 0).all())
            value = filled(recipe, of, seed)
            assert torch.linalg.eigvals(value).abs().max().item() == pytest.approx(0.9)
            if nilpotent:
                redrawn += 1
                assert not torch.equal(value != 0, first != 0) or not (value.matrix_power(3) == 0).all()
        assert 2 < redrawn < 40

    @pytest.mark.parametrize("turned", [False, True])
    def test_draws_that_are_all_nilpotent_end_in_words(self, monkeypatch: pytest.MonkeyPatch, turned: bool) -> None:
        """Turned, their computed eigenvalues are far from 0, and as good as undetermined."""
        from rnninit_hooks.errors import RnnInitError

        recipe, of = example("spectral_radius", density=0.5), block(9, 9)
        basis = Keyed(0, "basis").haar(9, 9) if turned else eye(9)
        monkeypatch.setattr(type(recipe), "_gaussian", lambda self, block, draw: basis @ draw.normal(9, 9).triu(1) @ basis.mT)
        with pytest.raises(RnnInitError, match=r"64 draws of spectral_radius.* no firm spectral radius.*raise density"):
            filled(recipe, of)

    @pytest.mark.parametrize("size", [2, 9, 40])
    def test_nilpotent_and_near_nilpotent_matrices_do_not_pass(self, size: int) -> None:
        """A chain's computed eigenvalues may be as large as eps^(1/n), though they are 0."""
        chain = filled(example("chain"), block(size, size))
        turned = (q := Keyed(0, "q").haar(size, size)) @ chain @ q.mT
        for value in (torch.zeros_like(chain), chain, turned):
            (breach,) = example("spectral_radius").law(block(size, size), value) or (None,)
            assert breach is not None and breach.law in ("spectral radius", "non-zero elements")

    def test_another_density_is_told(self) -> None:
        recipe, of = example("spectral_radius", density=0.3), block(20, 20)
        value = filled(recipe, of)
        assert words(example("spectral_radius", density=0.4), of, value) == ["non-zero elements: found 120, expected 160"]
        assert words(example("spectral_radius", density=0.2), of, value) == ["non-zero elements: found 120, expected 80"]

    def test_other_matrices_of_the_same_radius_obey(self) -> None:
        of = block(16, 16)
        assert example("spectral_radius", density=1 / 16).law(of, 0.9 * eye(16)) == ()
        assert example("spectral_radius").law(of, 0.9 * Keyed(0, "a").haar(16, 16)) == ()

    def test_the_sensitivity_is_the_first_order(self) -> None:
        value = filled(example("spectral_radius"), block(12, 12))
        sizes, doubts = spectrum(value)
        first = int(sizes.argmax())
        for seed in range(50):
            share = 1e-8 * Keyed(seed, "errors").uniform(12, 12).mul_(2.0).sub_(1.0)
            moved = abs(torch.linalg.eigvals(value * (1.0 + share)).abs().max() - sizes[first])
            assert moved <= 1.01 * 1e-8 * doubts[first]
        assert doubts[first] < 20.0

    def test_singular_values_are_uniform_and_vectors_free(self) -> None:
        recipe = example("singular_values", low=0.5, high=1.5)
        strengths = torch.cat([torch.linalg.svdvals(filled(recipe, block(20, 33), seed)) for seed in range(60)])
        assert kolmogorov(strengths, lambda x: min(max(x - 0.5, 0.0), 1.0)) < 2.5
        many = torch.stack([filled(recipe, block(5, 5), seed) for seed in range(2000)])
        assert (many.mean(0).abs() < 5.0 * math.sqrt((1 + 1 / 12) / 5 / 2000)).all()

    def test_an_orthogonal_and_a_normal_matrix_have_other_singular_values(self) -> None:
        recipe, of = example("singular_values", low=0.5, high=1.5), block(64, 64)
        assert "distance of the extremes" in " ".join(words(recipe, of, Keyed(0, "a").haar(64, 64)))
        assert words(recipe, of, Keyed(0, "a").normal(64, 64) / 8)[0].startswith("singular values: found")


class TestTurns:
    @pytest.mark.parametrize(("kind", "low", "high"), [("rotations", -math.pi, math.pi), ("cayley", 0.0, math.pi / 2)])
    def test_angles_are_uniform(self, kind: str, low: float, high: float) -> None:
        many = torch.stack([filled(example(kind), block(201, 201), seed) for seed in range(20)])
        sense = 1.0 if kind == "rotations" else -1.0
        below, on = many.diagonal(-1, 1, 2)[:, 0:200:2], many.diagonal(0, 1, 2)[:, 0:200:2]
        assert kolmogorov(torch.atan2(sense * below, on), lambda x: (x - low) / (high - low)) < 2.5
        assert (many[:, -1, -1] == 1.0).all() and (many[:, -1].sum(-1) == 1.0).all()

    @pytest.mark.parametrize("size", [1, 2, 5, 8, 33])
    @pytest.mark.parametrize("negative", [0, 1])
    def test_cayley_is_its_transform(self, size: int, negative: int) -> None:
        value = filled(example("cayley", negative=negative), block(size, size))
        angles = Keyed(0, block(1).address).uniform(size // 2) * math.pi / 2
        skew = torch.zeros(size, size, dtype=torch.float64)
        s = -torch.sqrt((1 - angles.cos()) / (1 + angles.cos()))
        skew.diagonal(1)[0 : size // 2 * 2 : 2], skew.diagonal(-1)[0 : size // 2 * 2 : 2] = s, -s
        d = torch.diag(torch.tensor([1.0] * (size - negative) + [-1.0] * negative, dtype=torch.float64))
        assert (value - torch.linalg.solve(eye(size) + skew, eye(size) - skew) @ d).abs().max() < 1e-14

    @pytest.mark.parametrize("size", [1, 2, 5, 8, 33])
    def test_rotations_are_the_exponential_of_henaffs_skew_matrix(self, size: int) -> None:
        angles = Keyed(0, block(1).address).uniform(size // 2) * 2 * math.pi - math.pi
        skew = torch.zeros(size, size, dtype=torch.float64)
        skew.diagonal(-1)[0 : size // 2 * 2 : 2] = angles
        value = filled(example("rotations"), block(size, size))
        assert (value - torch.matrix_exp(skew - skew.mT)).abs().max() < 1e-13
        assert torch.linalg.det(value).item() == pytest.approx(1.0)

    def test_exprnn_is_the_exponential_of_either_skew_matrix(self) -> None:
        assert torch.equal(filled(example("exprnn", skew="henaff"), block(9, 9)), filled(example("rotations"), block(9, 9)))
        many = torch.stack([filled(example("exprnn"), block(200, 200), seed) for seed in range(20)])
        angles = torch.atan2(many.diagonal(-1, 1, 2)[:, ::2], many.diagonal(0, 1, 2)[:, ::2])
        assert kolmogorov(2 * angles.atan(), lambda x: x / (math.pi / 2)) < 2.5
        skew = torch.zeros(200, 200, dtype=torch.float64)
        skew.diagonal(-1)[::2] = angles[3]
        assert (many[3] - torch.matrix_exp(skew - skew.mT)).abs().max() < 1e-13
        assert example("cayley").law(block(200, 200), many[0].mT) and example("rotations").law(block(200, 200), many[0])
        assert example("exprnn").law(block(200, 200), filled(example("rotations"), block(200, 200)))
        assert example("exprnn").law(block(600, 600), filled(example("exprnn"), block(600, 600))) == ()

    def test_what_is_orthogonal_but_no_rotation_of_pairs_is_told(self) -> None:
        of = block(64, 64)
        for kind in ("rotations", "cayley"):
            assert words(example(kind), of, Keyed(0, "a").haar(64, 64))[0].startswith("rotations of pairs: found")
            assert [b.law for b in example(kind).law(of, eye(64))][-1] == "distance of the extremes"
        assert any("range" in text for text in words(example("cayley"), of, filled(example("rotations"), of)))
        assert example("cayley", negative=1).law(of, filled(example("cayley"), of))


class TestReflections:
    def test_determinants(self) -> None:
        for seed in range(60):
            assert torch.linalg.det(filled(example("special_orthogonal"), block(5, 5), seed)).item() == pytest.approx(1.0)
            for k in (1, 2, 3):
                value = filled(example("householder", reflections=k), block(5, 5), seed)
                assert torch.linalg.det(value).item() == pytest.approx((-1.0) ** k)
                assert torch.linalg.matrix_rank(value - eye(5)) == k

    def test_rotations_of_haar_have_its_traces(self) -> None:
        many = torch.stack([filled(example("special_orthogonal"), block(8, 8), seed) for seed in range(2000)])
        traces = many.diagonal(dim1=1, dim2=2).sum(1)
        assert abs(traces.mean().item()) < 5.0 / math.sqrt(2000)
        assert abs(traces.square().mean().item() - 1.0) < 5.0 * math.sqrt(2.0 / 2000)
        assert (many.mean(0).abs() < 5.0 / math.sqrt(8 * 2000)).all()

    @pytest.mark.parametrize("k", [1, 2, 5])
    def test_reflections_are_isotropic(self, k: int) -> None:
        """E W = (1 - 2/n)^k I."""
        mean = torch.stack([filled(example("householder", reflections=k), block(6, 6), seed) for seed in range(2000)]).mean(0)
        assert (mean - (1 - 2 / 6) ** k * eye(6)).abs().max() < 5.0 / math.sqrt(2000)

    def test_an_orthogonal_matrix_at_large_is_no_product_of_few(self) -> None:
        of, value = block(9, 9), Keyed(1, "a").haar(9, 9)
        value[0] *= -torch.linalg.det(value).sign()
        assert words(example("householder", reflections=3), of, value) == ["directions that do not stay: found 9, expected at most 3"]
        assert example("householder", reflections=9).law(of, value) == ()

    def test_hadamard_is_sylvesters_with_signs(self) -> None:
        value = filled(example("hadamard", gain=2.0), block(8, 8))
        parity = torch.tensor([[(-1.0) ** bin(i & j).count("1") for j in range(8)] for i in range(8)], dtype=torch.float64)
        assert torch.allclose(value * value[0].sign(), parity * 2.0 / math.sqrt(8), rtol=1e-15)
        assert Orthogonal(gain=2.0).law(block(8, 8), value) == ()
        signs = torch.stack([filled(example("hadamard"), block(16, 16), seed)[0].sign() for seed in range(500)])
        assert (signs.mean(0).abs() < 5.0 / math.sqrt(500)).all()
        assert example("hadamard").law(block(8, 8), (value / 2)[torch.randperm(8, generator=torch.Generator().manual_seed(1))])


class TestStructures:
    def test_chain(self) -> None:
        value = filled(example("chain", above=0.99, below=0.04, diagonal=-0.5), block(4, 4))
        assert torch.equal(value, torch.diag(torch.full((3,), 0.99, dtype=torch.float64), 1) + torch.diag(torch.full((3,), 0.04, dtype=torch.float64), -1) - 0.5 * eye(4))
        plain = filled(example("chain"), block(9, 9))
        assert torch.linalg.matrix_norm(plain, 2).item() == pytest.approx(1.02) and not plain.matrix_power(9).any()
        assert words(example("chain"), block(9, 9), plain.mT)[0].startswith("value: found 1.02 at [1, 0] (16 of 81 elements differ), expected 0 there")

    def test_antisymmetric(self) -> None:
        recipe, of = example("antisymmetric", gain=0.5, gamma=0.01), block(128, 128)
        value = filled(recipe, of)
        assert (torch.linalg.eigvals(value).real + 0.01).abs().max() < 1e-12
        above = value[torch.ones(128, 128).triu(1) > 0]
        assert kolmogorov(above, lambda x: phi(x / (0.5 * math.sqrt(2 / 128)))) < 2.5
        assert words(recipe, of, value + 0.01 * eye(128))[0].startswith("antisymmetry and damping")
        assert words(recipe, of, value.triu(1) + value.triu(1).mT - 0.01 * eye(128))[0].startswith("antisymmetry and damping")
        assert any("std" in text for text in words(example("antisymmetric", gain=0.25, gamma=0.01), of, value))
        assert torch.equal(filled(recipe, block(1, 1)), torch.full((1, 1), -0.01, dtype=torch.float64))

    @pytest.mark.parametrize("size", [1, 2, 7, 64])
    def test_np_rnn_is_its_formula(self, size: int) -> None:
        normal = Keyed(3, block(1).address).normal(size, size)
        whole = normal @ normal.mT / size + eye(size)
        expected = whole / torch.linalg.matrix_norm(whole, 2)
        assert (filled(example("np_rnn"), block(size, size), 3) - expected).abs().max() < 1e-14

    @pytest.mark.parametrize(("factor", "words_"), [(-1.0, "least eigenvalue"), (1.01, "largest eigenvalue"), (0.99, "largest eigenvalue")])
    def test_np_rnn_breaks_by_name(self, factor: float, words_: str) -> None:
        of = block(16, 16)
        assert words(example("np_rnn"), of, factor * filled(example("np_rnn"), of))[0].startswith(words_)
        assert words(example("np_rnn"), of, Keyed(0, "a").haar(16, 16))[0].startswith("symmetry")
        indefinite = torch.diag(torch.linspace(-0.1, 1.0, 16, dtype=torch.float64))
        assert words(example("np_rnn"), of, indefinite) == ["least eigenvalue: found -0.1, expected more than 0"]

    @pytest.mark.parametrize(("shape", "conv"), [((6, 4, 3), "conv1d"), ((5, 5, 3, 5), "conv2d"), ((4, 1, 1, 3, 3), "conv3d")])
    def test_a_delta_orthogonal_convolution_keeps_norms(self, shape: tuple[int, ...], conv: str) -> None:
        value = filled(example("delta_orthogonal", gain=1.5), block(*shape))
        x = Keyed(0, "x").normal(2, shape[1], *(7 for _ in shape[2:]))
        y = getattr(torch.nn.functional, conv)(x, value, padding=tuple(k // 2 for k in shape[2:]))
        assert y.norm().item() == pytest.approx(1.5 * x.norm().item())
        moved = value.roll(1, -1)
        assert [b.law for b in example("delta_orthogonal", gain=1.5).law(block(*shape), moved)] == ["around the centre", "orthogonality residual per g²"]


class TestRecurrentBN:
    def test_the_others_are_one_orthogonal_matrix(self) -> None:
        recipe = example("recurrent_bn")
        blocks = tuple(gate(name, 7) for name in PEERS)
        values = tuple(filled(recipe, of) for of in blocks)
        assert recipe.refuse_together(blocks) is None and recipe.law_together(blocks, values) == ()
        assert torch.equal(values[2], eye(7))
        stack = torch.cat([values[0], values[1], values[3]])
        assert torch.equal(stack, Keyed(0, "rnn.recurrent_l0[*]").haar(21, 7))
        assert all(Orthogonal().law(of, value) for of, value in zip(blocks, values, strict=True) if of.gate != "cell")
        assert recipe.law_together(blocks[::-1], values[::-1]) == (), "their order does not matter"

    def test_three_orthogonal_blocks_are_not_one(self) -> None:
        recipe, blocks = example("recurrent_bn"), tuple(gate(name, 7) for name in PEERS)
        values = tuple(Keyed(0, of.address).haar(7, 7) if of.gate != "cell" else eye(7) for of in blocks)
        assert all(recipe.law(of, value) == () for of, value in zip(blocks, values, strict=True))
        assert [str(b) for b in recipe.law_together(blocks, values)] == ["input + forget + output together, gain: found 1.73205081, expected 1.0"]

    def test_a_block_that_lengthens_a_vector_is_no_part(self) -> None:
        assert [b.law for b in example("recurrent_bn").law(gate("input", 5), 1.1 * eye(5))] == ["largest singular value"]
        assert [b.law for b in example("recurrent_bn").law(gate("cell", 5), 1.1 * eye(5))] == ["diagonal"]

    @pytest.mark.parametrize(
        ("gates", "expected"),
        [(("input", "forget"), "decides input, forget of a layer"), ((*PEERS, "cell"), "once"), ((), "decides cell of a layer")],
    )
    def test_a_part_of_a_layer_is_refused(self, gates: tuple[str, ...], expected: str) -> None:
        blocks = tuple(gate(name, 4) for name in gates or ("cell",))
        assert expected in str(example("recurrent_bn").refuse_together(blocks))

    def test_blocks_of_several_sizes_and_modules_without_the_candidate(self) -> None:
        recipe = example("recurrent_bn")
        odd = tuple(gate(name, 3 + (name == "cell")) for name in PEERS)
        assert "different shapes" in str(recipe.refuse_together(odd))
        gru = replace(gate("new", 4), peers=("reset", "update", "new"))
        assert "needs the candidate gate 'cell' and another, and this module has reset, update, new" in str(recipe.refuse(gru))
        assert example("recurrent_bn", candidate="new").refuse(gru) is None
        assert not recipe.claims(block(4, 4, kind="input")) and not recipe.claims(block(4, 4, kind="recurrent", gate=None))


def test_equality_with_a_pattern_is_exact_at_0_and_to_rounding_elsewhere() -> None:
    target = torch.tensor([[0.0, 2.0], [1.0, 0.0]], dtype=torch.float64)
    for at, change, words_ in (((0, 0), 1e-30, "at [0, 0]"), ((0, 1), 5e-7, "at [0, 1]"), ((1, 0), -5e-7, "at [1, 0]")):
        value = target.clone()
        value[at] += change
        (breach,) = alike(block(2, 2), value, target)
        assert words_ in breach.found
    assert alike(block(2, 2), target * (1 + 2.0**-23), target) == ()

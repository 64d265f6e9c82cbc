"""Fingerprints: which initialisers a weight looks like before training, gate by gate and for the fused stack."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist

import torch
from torch import Tensor

from rnninit_hooks.slots import to_double

ALPHA = 5e-7
"""How often one test may refuse a true law. Of at most ten per block, those that are no exact bound stay below 3e-6."""
SMALLEST_ROWS = 8
SMALLEST_SAMPLE = 64
ORTHOGONAL = 1e-3
_Z = NormalDist().inv_cdf(1 - ALPHA / 2)
_GAINS = (1.0, math.sqrt(2), 5 / 3, math.sqrt(1 / 3))
_FLOAT32 = 2.0**-23


@dataclass(frozen=True)
class Likeness:
    """One initialiser that a block may come from.

    `fused` is True when it fits the stack of all gates and not one gate's own block. `fit` is the relative error of the
    fitted constant, for an orthogonal matrix ‖G/d − I‖_F/√n of the Gram matrix G with mean diagonal d.
    """

    initialiser: str
    parameters: Mapping[str, float]
    fused: bool
    fit: float


@dataclass(frozen=True)
class _Law:
    """Independent entries of one family ("uniform": `scale` is the bound; "normal": the deviation)."""

    initialiser: str
    family: str
    scale: float
    parameters: Mapping[str, float]
    fused: bool = False


def fingerprint(
    blocks: Mapping[str, Tensor], *, hidden_size: int, kernel: int = 1, epsilon: float = _FLOAT32
) -> dict[str, tuple[Likeness, ...]]:
    """Every initialiser that each gate's block of one parameter may come from; nothing where none fits.

    `blocks` holds the gates (out, in) in `W @ x` orientation and stored order, all of one shape; a convolution comes as
    (out, in * kernel). `epsilon` is that of the dtype in memory. Equalities come first: constants, identity, orthogonal
    per gate, then as a stack (both, where input >= k * H: each gate is orthogonal). Random laws are refused by extremes,
    kurtosis, mean, deviation, distribution, row and column spread and correlation, all together wrongly for 1 block in
    100 000 at most. Laws that a sample cannot separate come together, best fit first. Nothing is said below 8 rows or 3
    lines (orthogonal) or 64 entries (random). Limits: a sum of normals is a normal, noise of a tenth widens one by 0.5 %
    only, and a gate of 256 entries does not always betray a sum. Raises `ValueError` for unlike shapes and sizes below 1.

    >>> _ = torch.manual_seed(0)
    >>> weight = torch.nn.init.orthogonal_(torch.empty(64, 16))
    >>> found = fingerprint(dict(zip("ifgo", weight.chunk(4))), hidden_size=16)
    >>> [(like.initialiser, like.fused) for like in found["f"]]
    [('orthogonal', True)]
    """
    doubles = _checked(blocks, hidden_size, kernel)
    stack, (rows, columns) = torch.cat(list(doubles.values())), next(iter(doubles.values())).shape
    if rows < SMALLEST_ROWS or not stack.isfinite().all():
        return dict.fromkeys(doubles, ())
    limit = ORTHOGONAL + epsilon
    own = {gate: _flat(block) or _identity(block) or _orthogonal(block, limit) for gate, block in doubles.items()}
    shared = _stacked(stack, own, limit) if len(own) > 1 else ()
    laws = _matrix_laws(rows, columns, len(own), hidden_size, kernel)
    drawn = {gate: block for gate, block in doubles.items() if not own[gate] and not shared}
    random = {gate: _random(block, laws, epsilon) for gate, block in drawn.items()}
    scaled = [block / block.square().mean().sqrt() for gate, block in drawn.items() if random[gate]]
    joint = not scaled or _uncorrelated(torch.cat(scaled))
    return {gate: own[gate] + shared + (random.get(gate, ()) if joint else ()) for gate in doubles}


def fingerprint_bias(
    bias: Tensor, *, hidden_size: int, fan_in: int | None = None, epsilon: float = _FLOAT32
) -> tuple[Likeness, ...]:
    """Every initialiser that a bias vector may come from; nothing where none fits.

    One gate's vector, or that of all gates when one call wrote them: random laws are not judged below 64 entries.
    `fan_in` adds the default of `nn.Linear`. Raises `ValueError` for no vector and sizes below 1.
    >>> fingerprint_bias(torch.ones(16), hidden_size=16)
    (Likeness(initialiser='constant', parameters={'value': 1.0}, fused=False, fit=0.0),)
    """
    if bias.dim() != 1 or not bias.numel() or hidden_size < 1 or (fan_in is not None and fan_in < 1):
        raise ValueError(f"one vector and sizes of at least 1 are needed; found {tuple(bias.shape)}, {hidden_size=}, {fan_in=}")
    vector = to_double(bias)
    if len(vector) < SMALLEST_ROWS or not vector.isfinite().all():
        return ()
    return _flat(vector) or _random(vector, _plain(hidden_size, fan_in), epsilon)


def _checked(blocks: Mapping[str, Tensor], hidden_size: int, kernel: int) -> dict[str, Tensor]:
    shapes = {gate: tuple(block.shape) for gate, block in blocks.items()}
    if len(set(shapes.values())) != 1 or any(len(shape) != 2 or 0 in shape for shape in shapes.values()):
        raise ValueError(f"the gates of one parameter are matrices (out, in) of one shape; found {shapes}")
    if hidden_size < 1 or kernel < 1 or any(columns % kernel for _, columns in shapes.values()):
        raise ValueError(f"hidden_size and kernel are at least 1, kernel divides in; found {hidden_size=}, {kernel=}, {shapes}")
    return {gate: to_double(block) for gate, block in blocks.items()}


def _flat(block: Tensor) -> tuple[Likeness, ...]:
    value = float(block.flatten()[0])
    like = Likeness("constant", {"value": value}, False, 0.0) if value else Likeness("zeros", {}, False, 0.0)
    return (like,) if (block == value).all() else ()


def _identity(matrix: Tensor, *, fused: bool = False) -> tuple[Likeness, ...]:
    scale = float(matrix[0, 0])
    found = scale != 0 and torch.equal(matrix, scale * torch.eye(*matrix.shape, dtype=matrix.dtype))
    return (Likeness("identity", {"gain": scale}, fused, 0.0),) if found else ()


def _orthogonal(matrix: Tensor, limit: float, *, fused: bool = False) -> tuple[Likeness, ...]:
    smaller = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mT
    gram = smaller @ smaller.mT
    square = gram.diagonal().mean()
    if len(gram) < 3 or square == 0:  # two vectors are orthogonal by chance once in 10 000 draws
        return ()
    residual = torch.linalg.matrix_norm(gram / square - torch.eye(len(gram), dtype=gram.dtype)).item() / math.sqrt(len(gram))
    return (Likeness("orthogonal", {"gain": math.sqrt(square)}, fused, residual),) if residual < limit else ()


def _stacked(stack: Tensor, own: Mapping[str, tuple[Likeness, ...]], limit: float) -> tuple[Likeness, ...]:
    wide = stack.shape[1] >= stack.shape[0]
    found = {like[0].initialiser if like else "" for like in own.values()}
    if found == ({"orthogonal"} if wide else {""}):  # gates that are orthogonal each make a tall stack so too, √k as large
        return _orthogonal(stack, limit, fused=True)
    return _identity(stack, fused=True)


def _pair(name: str, variance: float, fused: bool = False, **parameters: float) -> Iterator[_Law]:
    for family, scale, constant in (("uniform", math.sqrt(3 * variance), "bound"), ("normal", math.sqrt(variance), "std")):
        yield _Law(f"{name}_{family}", family, scale, {**parameters, constant: scale}, fused)


def _plain(hidden: int, fan_in: int | None = None) -> list[_Law]:
    uniform = [("hidden_uniform", 1 / math.sqrt(hidden)), ("uniform", 0.1), ("uniform", 0.08)]
    uniform += [("uniform", 1 / math.sqrt(fan_in))] if fan_in else []
    laws = [_Law(name, "uniform", bound, {"bound": bound}) for name, bound in dict.fromkeys(uniform)]
    return laws + [_Law("normal", "normal", std, {"std": std}) for std in (1.0, 0.1, 0.02, 0.01)]


def _matrix_laws(rows: int, columns: int, gates: int, hidden: int, kernel: int) -> list[_Law]:
    laws = [*_plain(hidden), *_pair("lecun", 1 / columns)]
    fans = [(columns, False), *((rows * kernel * stack, stack > 1) for stack in sorted({1, gates}))]
    laws += [law for fan_out, fused in fans[1:] for law in _pair("xavier", 2 / (columns + fan_out), fused)]
    for gain in _GAINS:
        laws += [law for fan, fused in fans for law in _pair("kaiming", gain**2 / fan, fused, gain=gain, fan=fan)]
    return [law for index, law in enumerate(laws) if law not in laws[:index]]


def _random(block: Tensor, laws: Iterable[_Law], epsilon: float) -> tuple[Likeness, ...]:
    count = block.numel()
    if count < SMALLEST_SAMPLE or (block.dim() == 2 and not _uncorrelated(block)):
        return ()
    fitted = {"uniform": float(block.abs().max()) * (count + 1) / count, "normal": float(block.square().mean().sqrt())}
    known = [law for law in laws if _obeys(block / law.scale, _FAMILIES[law.family], epsilon)]
    found = [Likeness(law.initialiser, law.parameters, law.fused, abs(fitted[law.family] / law.scale - 1)) for law in known]
    return tuple(sorted(found, key=lambda like: like.fit))


def _obeys(unit: Tensor, family: _Family, epsilon: float) -> bool:
    """All tests of one family at scale 1; the cheap ones first."""
    count, squares = unit.numel(), unit.square() / family.variance
    if not family.extreme(float(unit.abs().max()), epsilon, count):
        return False
    mean, central = float(unit.mean()) * math.sqrt(count / family.variance), (unit - unit.mean()).square()
    kurtosis = family.kurtosis(float(central.square().mean() / central.mean().square()), count)
    if not _calm(mean, kurtosis, float(family.score(squares.mean(), count))):
        return False
    lines = [(squares.mean(axis), squares.shape[axis]) for axis in range(squares.dim()) if squares.dim() == 2]
    spreads = [_chi(family.score(means, size).square().mean(), len(means)) for means, size in lines if size >= SMALLEST_ROWS]
    return _calm(*map(float, spreads)) and _distributed(family.cdf(unit.flatten().sort().values), epsilon)


def _calm(*scores: float) -> bool:
    return all(abs(score) < _Z for score in scores)


def _chi(mean_square: Tensor, freedom: int) -> Tensor:
    """Wilson and Hilferty 1931: the cube root of chi² over its degrees of freedom is nearly normal; standardised."""
    width = 2 / (9 * freedom)
    return (mean_square.pow(1 / 3) - (1 - width)) / math.sqrt(width)


def _kurtosis_of_normal(kurtosis: float, n: int) -> float:
    """Anscombe and Glynn 1983, times 0.83: of 2 million samples of 64 the raw score passes 6 as rarely as ALPHA."""
    spread = 24 * n * (n - 2) * (n - 3) / ((n + 1) ** 2 * (n + 3) * (n + 5))
    centred = (kurtosis - 3 * (n - 1) / (n + 1)) / math.sqrt(spread)
    skew = 6 * (n * n - 5 * n + 2) / ((n + 7) * (n + 9)) * math.sqrt(6 * (n + 3) * (n + 5) / (n * (n - 2) * (n - 3)))
    shape = 6 + 8 / skew * (2 / skew + math.sqrt(1 + 4 / skew**2))
    ratio = (1 - 2 / shape) / max(1 + centred * math.sqrt(2 / (shape - 4)), 1e-9)
    return 0.83 * float((1 - 2 / (9 * shape) - ratio ** (1 / 3)) / math.sqrt(2 / (9 * shape)))


def _uncorrelated(matrix: Tensor) -> bool:
    """False when lines of the smaller side are more, or less, correlated than independent entries would be."""
    smaller = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mT
    lines, length = smaller.shape
    unit, pairs = torch.nn.functional.normalize(smaller, dim=1), lines * (lines - 1) // 2
    total = ((unit @ unit.mT).square().sum() - lines) / 2
    return lines < SMALLEST_ROWS or _calm(float(_chi(total * length / pairs, pairs)))


def _distributed(levels: Tensor, epsilon: float) -> bool:
    """Massart 1990: how far n sorted values of a distribution function may stray from n even steps."""
    steps = torch.arange(len(levels) + 1, dtype=levels.dtype) / len(levels)
    distance = float(torch.maximum(levels - steps[:-1], steps[1:] - levels).max())
    return distance < math.sqrt(math.log(2 / ALPHA) / (2 * len(levels))) + epsilon


def _normal_extreme(largest: float, epsilon: float, count: int) -> bool:
    inside, beyond = math.erf(largest * (1 + epsilon) / math.sqrt(2)), math.erfc(largest * (1 - epsilon) / math.sqrt(2))
    return inside > 0 and count * math.log(inside) > math.log(ALPHA) and count * beyond > ALPHA


@dataclass(frozen=True)
class _Family:
    """How entries of scale 1 behave: variance, the largest of n, standard scores, distribution function.

    A uniform's kurtosis has the asymptotic variance 1.318/n; its power -2 is nearly normal from 64 entries on.
    """

    variance: float
    extreme: Callable[[float, float, int], bool]
    kurtosis: Callable[[float, int], float]
    score: Callable[[Tensor, int], Tensor]
    cdf: Callable[[Tensor], Tensor]


_FAMILIES = {
    "uniform": _Family(
        1 / 3,
        lambda high, eps, count: high * (1 - eps) <= 1 and count * math.log(high * (1 + eps)) > math.log(ALPHA),
        lambda kurtosis, count: 0.784 * math.sqrt(count) * (1 - (1.8 / kurtosis) ** 2),
        lambda mean_square, count: (mean_square - 1) * math.sqrt(count / 0.8),
        lambda unit: (unit + 1) / 2,
    ),
    "normal": _Family(1.0, _normal_extreme, _kurtosis_of_normal, _chi, torch.special.ndtr),
}

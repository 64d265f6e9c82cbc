"""A layout: which gates stand where in the parameters of one module class."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal

from rnninit_hooks.errors import RegistrationError

Kind = Literal["input", "recurrent", "projection", "bias", "peephole"]
KINDS: tuple[Kind, ...] = ("input", "recurrent", "projection", "bias", "peephole")
Extent = int | str | None
_GATE_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Part:
    r"""One family of parameters of a module, such as every `weight_hh_l{k}`.

    `pattern` must match the whole name, relative to the module; it may reach into children (`input_map\.weight`). Its
    groups `layer` and `reverse` tell layer and direction where the class has them. `order` names the gates along
    `axis` (empty: no gates), in equal contiguous blocks unless `sizes` gives each gate's extent (a number or the name
    of a module attribute) or `interleaved` says that the gate index runs fastest. `transposed` says that the class
    computes `x @ W`, so that fans and orthonormal side swap. `columns` splits the other axis by source, in order:
    `(("input", None), ("recurrent", "hidden_size"))`, None meaning the rest. `fixed` picks one index of an axis, as
    one row of a bias of shape (2, 3H). `partner` marks biases that the cell adds up (`sign` says how); `effective` is
    the name of their sum, formatted with the groups. Raises `RegistrationError` for what cannot be.

    >>> Part("weight_hh", r"weight_hh", kind="recurrent", order=("reset", "update", "new")).gates
    3
    """

    name: str
    pattern: str
    kind: Kind | None = None
    order: tuple[str, ...] = ()
    axis: int = 0
    transposed: bool = False
    partner: str | None = None
    effective: str | None = None
    sign: int = 1
    interleaved: bool = False
    sizes: tuple[int | str, ...] = ()
    columns: tuple[tuple[Kind, Extent], ...] = ()
    fixed: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise RegistrationError(f"layout part {self.name!r}: {problem}")

    def _problems(self) -> list[str]:
        if isinstance(self.order, str):  # each letter would count as a gate
            return [f"order is the text {self.order!r}; expected a tuple of gate names such as ('input', 'forget')"]
        bad_gates = [gate for gate in self.order if not _GATE_NAME.fullmatch(gate)]
        rest = [kind for kind, extent in self.columns if extent is None]
        checks = [
            (self.kind not in (None, *KINDS), f"kind {self.kind!r}; expected one of {', '.join(KINDS)} or None"),
            (bool(bad_gates), f"gate names {bad_gates}; expected lower-case words"),
            ("retain" in self.order, "'retain' is the name of a role; give the gate its own name and a polarity"),
            (len(set(self.order)) != len(self.order), f"order {self.order} names a gate twice"),
            (self.axis < 0, f"axis {self.axis}; count axes from 0"),
            (self.sign not in (1, -1), f"sign {self.sign}; expected 1 (added) or -1 (subtracted)"),
            (bool(self.partner) != bool(self.effective), "partner and effective belong together; give both or neither"),
            (bool(self.partner) and self.kind != "bias", "only biases have partners; expected kind='bias'"),
            (bool(self.sizes) and len(self.sizes) != len(self.order), "sizes and order differ in length"),
            (bool(self.sizes) and self.interleaved, "interleaved gates have equal sizes; give one of the two"),
            (bool(self.columns) and self.kind is not None, "columns carry the kinds; leave kind out"),
            (len(rest) > 1, "only one of the columns may be None (the rest)"),
            (any(kind not in KINDS for kind, _ in self.columns), f"columns speak of {', '.join(KINDS)}"),
            (len({kind for kind, _ in self.columns}) != len(self.columns), "columns name a source twice"),
            (self.axis in dict(self.fixed), "the gate axis cannot be fixed"),
        ]
        return [text for wrong, text in checks if wrong]

    @property
    def gates(self) -> int:
        """How many gates are fused; 0 where there are none."""
        return len(self.order)

    def match(self, local: str) -> re.Match[str] | None:
        """The match of a local parameter name, or None."""
        return _compiled(self.pattern).fullmatch(local)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@dataclass(frozen=True)
class Layout:
    """How one module class fuses its gates: the parts, and what each gate does with the old state.

    `classes` are qualified class names (`torch.nn.modules.rnn.LSTM`); subclasses are meant too, and `*.ConvLSTMCell`
    means a class of that name in any module, where the parameters fit. `short` maps short
    gate names to long ones. `separate` names gates whose bias partners do not simply add (GRU `new`, whose
    `bias_hh` sits inside the reset product, pytorch/pytorch#750). `polarity` holds +1 for a gate that keeps the old
    state when open, -1 for one that overwrites it; `constant` what `forward` adds to a gate. `size` names the module
    attribute that one gate's extent must equal. `required` names parts without which the layout does not fit.
    `when` holds (attribute, value) pairs that the module must have, where a class has several layouts by option.
    `evidence` and `confidence` (0 to 1) are there when the layout was inferred.
    """

    name: str
    classes: tuple[str, ...]
    parts: tuple[Part, ...]
    short: Mapping[str, str] = field(default_factory=dict)
    separate: tuple[str, ...] = ()
    polarity: Mapping[str, int] = field(default_factory=dict)
    constant: Mapping[str, float] = field(default_factory=dict)
    size: str | None = None
    recurrent: bool = True
    required: tuple[str, ...] = ()
    when: tuple[tuple[str, Any], ...] = ()
    evidence: tuple[str, ...] = ()
    confidence: float | None = None

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise RegistrationError(f"layout {self.name!r}: {problem}")

    def _problems(self) -> list[str]:
        texts = [name for name in ("classes", "separate", "required") if isinstance(getattr(self, name), str)]
        if texts:  # each letter would count as a name
            return [f"{name} is the text {getattr(self, name)!r}; expected a tuple of names" for name in texts]
        names, gates = {part.name for part in self.parts}, self.gates
        spoken = {*self.separate, *self.polarity, *self.constant, *self.short.values()}
        checks = [
            (not self.classes, "no classes; expected qualified names such as 'acme.cells.MyLSTM'"),
            (not self.parts, "no parts; expected at least one Part(...)"),
            (len(names) != len(self.parts), "two parts share a name"),
            (not spoken <= set(gates), f"speaks of gates {sorted(spoken - set(gates))}; its parts have {gates}"),
            (not set(self.required) <= names, f"requires {self.required}; its parts are {sorted(names)}"),
            (any(value not in (1, -1) for value in self.polarity.values()), "polarity is +1 (keeps) or -1 (writes)"),
            (bool(set(self.short) & set(gates)), "a short name equals a gate name"),
        ]
        return [text for wrong, text in checks if wrong]

    @property
    def gates(self) -> tuple[str, ...]:
        """Every gate of every part, in first-seen order."""
        return tuple(dict.fromkeys(gate for part in self.parts for gate in part.order))

    def speaks_of(self, module: object) -> bool:
        """True when a module of the right class has every attribute that `when` asks for."""
        return all(getattr(module, name, None) == value for name, value in self.when)

    @property
    def deep(self) -> bool:
        """True when some part reaches into children of the module."""
        return any(r"\." in part.pattern for part in self.parts)

    @property
    def order(self) -> Mapping[str, tuple[str, ...]]:
        """Gate order by part name."""
        return MappingProxyType({part.name: part.order for part in self.parts})

    @property
    def axis(self) -> Mapping[str, int]:
        """Gate axis by part name."""
        return MappingProxyType({part.name: part.axis for part in self.parts})

    @property
    def retain(self) -> str | None:
        """The gate that decides how much of the old state stays, whatever its name and polarity."""
        return next(iter(self.polarity), None)

    def gate_called(self, name: str) -> str | None:
        """The gate that a long name, a short name or `retain` speaks of, or None.

        >>> from rnninit_hooks.layouts.registry import layouts
        >>> [layouts()["torch.GRU"].gate_called(name) for name in ("z", "update", "retain", "forget")]
        ['update', 'update', 'update', None]
        """
        if name == "retain":
            return self.retain
        return name if name in self.gates else self.short.get(name)

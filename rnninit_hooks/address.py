"""A slot's name, the same string everywhere: print it, parse it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rnninit_hooks.errors import AddressError

_GATE = re.compile(r"(?P<parameter>.+?)\[(?P<gate>[A-Za-z_]\w*)?\]", re.DOTALL)


@dataclass(frozen=True, order=True)
class Address:
    """A qualified parameter name and, where the parameter is fused, a gate.

    >>> Address.parse("encoder.rnn.weight_hh_l0[forget]")
    Address(parameter='encoder.rnn.weight_hh_l0', gate='forget')
    >>> str(Address("encoder.rnn.weight_hr_l0"))
    'encoder.rnn.weight_hr_l0'

    A name without a gate that itself ends in `]` is printed with an empty gate, so that printing and parsing are
    inverse: `heads.w[x][]`.
    """

    parameter: str
    gate: str | None = None

    def __post_init__(self) -> None:
        if not self.parameter or self.parameter.startswith(".") or self.parameter.endswith("."):
            raise AddressError(f"{self.parameter!r} is no qualified parameter name; expected e.g. 'encoder.rnn.weight_hh_l0'")
        if self.gate is not None and not re.fullmatch(r"[A-Za-z_]\w*", self.gate):
            raise AddressError(f"{self.gate!r} is no gate name; expected a word such as 'forget'")

    def __str__(self) -> str:
        if self.gate is not None:
            return f"{self.parameter}[{self.gate}]"
        return f"{self.parameter}[]" if self.parameter.endswith("]") else self.parameter

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read an address; raises `AddressError` with what was expected."""
        if not text.endswith("]"):
            return cls(text)
        found = _GATE.fullmatch(text)
        if found is None:
            raise AddressError(f"{text!r} is no address; expected 'module.parameter' or 'module.parameter[gate]'")
        return cls(found["parameter"], found["gate"])

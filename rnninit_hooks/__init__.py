"""Say, apply, see and enforce how PyTorch modules are initialised, gate by gate.

Names resolve on first use (PEP 562), so that reading rules never wakes torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from rnninit_hooks.address import Address as Address
    from rnninit_hooks.applying import apply as apply
    from rnninit_hooks.changes import Change as Change
    from rnninit_hooks.changes import Diff as Diff
    from rnninit_hooks.checking import check as check
    from rnninit_hooks.comparing import compare as compare
    from rnninit_hooks.diffing import diff as diff
    from rnninit_hooks.errors import (
        AddressError as AddressError,
    )
    from rnninit_hooks.errors import LayoutFileError as LayoutFileError
    from rnninit_hooks.errors import (
        PendingInit as PendingInit,
    )
    from rnninit_hooks.errors import (
        PolicyError as PolicyError,
    )
    from rnninit_hooks.errors import (
        RecordError as RecordError,
    )
    from rnninit_hooks.errors import (
        RegistrationError as RegistrationError,
    )
    from rnninit_hooks.errors import (
        RnnInitError as RnnInitError,
    )
    from rnninit_hooks.errors import (
        RnnInitWarning as RnnInitWarning,
    )
    from rnninit_hooks.errors import (
        RuleFileError as RuleFileError,
    )
    from rnninit_hooks.errors import (
        WriteError as WriteError,
    )
    from rnninit_hooks.findings import CODES as CODES
    from rnninit_hooks.findings import Code as Code
    from rnninit_hooks.findings import Finding as Finding
    from rnninit_hooks.findings import Place as Place
    from rnninit_hooks.hooks.attach import Handle as Handle
    from rnninit_hooks.hooks.attach import attach as attach
    from rnninit_hooks.hooks.calibrate import calibrate as calibrate
    from rnninit_hooks.hooks.decorate import initialized as initialized
    from rnninit_hooks.hooks.enforce import enforced as enforced
    from rnninit_hooks.hooks.materialize import materialize as materialize
    from rnninit_hooks.inspection import inspect as inspect
    from rnninit_hooks.layout_files import load_layouts as load_layouts
    from rnninit_hooks.layouts.model import Layout as Layout
    from rnninit_hooks.layouts.model import Part as Part
    from rnninit_hooks.layouts.registry import register_layout as register_layout
    from rnninit_hooks.planning import Plan as Plan
    from rnninit_hooks.planning import plan as plan
    from rnninit_hooks.probing.inferring import infer_layout as infer_layout
    from rnninit_hooks.probing.verifying import verify_layout as verify_layout
    from rnninit_hooks.recipes.base import Block as Block
    from rnninit_hooks.recipes.base import Breach as Breach
    from rnninit_hooks.recipes.base import Draw as Draw
    from rnninit_hooks.recipes.base import Recipe as Recipe
    from rnninit_hooks.recipes.convolutional import DeltaOrthogonal as DeltaOrthogonal
    from rnninit_hooks.recipes.data import CriticalGain as CriticalGain
    from rnninit_hooks.recipes.data import LagGradient as LagGradient
    from rnninit_hooks.recipes.data import Lsuv as Lsuv
    from rnninit_hooks.recipes.decays import RwkvDecay as RwkvDecay
    from rnninit_hooks.recipes.fills import (
        Constant as Constant,
    )
    from rnninit_hooks.recipes.fills import (
        Identity as Identity,
    )
    from rnninit_hooks.recipes.fills import (
        Keep as Keep,
    )
    from rnninit_hooks.recipes.fills import (
        Ones as Ones,
    )
    from rnninit_hooks.recipes.fills import (
        Zeros as Zeros,
    )
    from rnninit_hooks.recipes.heads import Prior as Prior
    from rnninit_hooks.recipes.heads import SmallInit as SmallInit
    from rnninit_hooks.recipes.heads import WangInit as WangInit
    from rnninit_hooks.recipes.hippo import Hippo as Hippo
    from rnninit_hooks.recipes.horizons import Chrono as Chrono
    from rnninit_hooks.recipes.horizons import LogSpaced as LogSpaced
    from rnninit_hooks.recipes.horizons import UniformGate as UniformGate
    from rnninit_hooks.recipes.iid import (
        HiddenUniform as HiddenUniform,
    )
    from rnninit_hooks.recipes.iid import (
        Normal as Normal,
    )
    from rnninit_hooks.recipes.iid import (
        TruncNormal as TruncNormal,
    )
    from rnninit_hooks.recipes.iid import (
        Uniform as Uniform,
    )
    from rnninit_hooks.recipes.joint_orthogonal import RecurrentBN as RecurrentBN
    from rnninit_hooks.recipes.memory import Retention as Retention
    from rnninit_hooks.recipes.memory import Timescale as Timescale
    from rnninit_hooks.recipes.orthogonal import Orthogonal as Orthogonal
    from rnninit_hooks.recipes.pretrained import Pretrained as Pretrained
    from rnninit_hooks.recipes.reflections import Hadamard as Hadamard
    from rnninit_hooks.recipes.reflections import Householder as Householder
    from rnninit_hooks.recipes.reflections import SpecialOrthogonal as SpecialOrthogonal
    from rnninit_hooks.recipes.registry import recipe as recipe
    from rnninit_hooks.recipes.retained import BiasForLag as BiasForLag
    from rnninit_hooks.recipes.retained import PowerLaw as PowerLaw
    from rnninit_hooks.recipes.rings import LruRing as LruRing
    from rnninit_hooks.recipes.rings import RgLru as RgLru
    from rnninit_hooks.recipes.rotations import Cayley as Cayley
    from rnninit_hooks.recipes.rotations import ExpRNN as ExpRNN
    from rnninit_hooks.recipes.rotations import Rotations as Rotations
    from rnninit_hooks.recipes.scaled import (
        KaimingNormal as KaimingNormal,
    )
    from rnninit_hooks.recipes.scaled import (
        KaimingUniform as KaimingUniform,
    )
    from rnninit_hooks.recipes.scaled import (
        LecunNormal as LecunNormal,
    )
    from rnninit_hooks.recipes.scaled import (
        LecunUniform as LecunUniform,
    )
    from rnninit_hooks.recipes.scaled import (
        XavierNormal as XavierNormal,
    )
    from rnninit_hooks.recipes.scaled import (
        XavierUniform as XavierUniform,
    )
    from rnninit_hooks.recipes.sparse import Sparse as Sparse
    from rnninit_hooks.recipes.spectral import SingularValues as SingularValues
    from rnninit_hooks.recipes.spectral import SpectralRadius as SpectralRadius
    from rnninit_hooks.recipes.state_spaces import LogUniform as LogUniform
    from rnninit_hooks.recipes.state_spaces import Mamba2ALog as Mamba2ALog
    from rnninit_hooks.recipes.state_spaces import MambaDtBias as MambaDtBias
    from rnninit_hooks.recipes.state_spaces import S4dLin as S4dLin
    from rnninit_hooks.recipes.state_spaces import S4dReal as S4dReal
    from rnninit_hooks.recipes.structured import Antisymmetric as Antisymmetric
    from rnninit_hooks.recipes.structured import Chain as Chain
    from rnninit_hooks.recipes.structured import NpRNN as NpRNN
    from rnninit_hooks.recipes.truncated import ScaledTruncNormal as ScaledTruncNormal
    from rnninit_hooks.recipes.vectors import IndRNN as IndRNN
    from rnninit_hooks.recipes.vectors import Linspace as Linspace
    from rnninit_hooks.record import Record as Record
    from rnninit_hooks.rows import FactTable as FactTable
    from rnninit_hooks.rows import MemoryFacts as MemoryFacts
    from rnninit_hooks.rows import Report as Report
    from rnninit_hooks.rows import Row as Row
    from rnninit_hooks.rows import SlotFacts as SlotFacts
    from rnninit_hooks.rules.load import load as load
    from rnninit_hooks.rules.load import loads as loads
    from rnninit_hooks.rules.load import preset as preset
    from rnninit_hooks.rules.models import Allow as Allow
    from rnninit_hooks.rules.models import Match as Match
    from rnninit_hooks.rules.models import Policy as Policy
    from rnninit_hooks.rules.models import Rule as Rule
    from rnninit_hooks.rules.schema import json_schema as json_schema

_HOMES = {
    "rnninit_hooks.errors": (
        "AddressError", "LayoutFileError", "PendingInit", "PolicyError", "RecordError", "RegistrationError", "RnnInitError",
        "RnnInitWarning", "RuleFileError", "WriteError",
    ),
    "rnninit_hooks.findings": ("CODES", "Code", "Finding", "Place"),
    "rnninit_hooks.rows": ("FactTable", "MemoryFacts", "Report", "Row", "SlotFacts"),
    "rnninit_hooks.changes": ("Change", "Diff"),
    "rnninit_hooks.rules.models": ("Allow", "Match", "Policy", "Rule"),
    "rnninit_hooks.rules.load": ("load", "loads", "preset"),
    "rnninit_hooks.rules.schema": ("json_schema",),
    "rnninit_hooks.recipes.base": ("Block", "Breach", "Draw", "Recipe"),
    "rnninit_hooks.recipes.registry": ("recipe",),
    "rnninit_hooks.recipes.fills": ("Constant", "Identity", "Keep", "Ones", "Zeros"),
    "rnninit_hooks.recipes.iid": ("HiddenUniform", "Normal", "TruncNormal", "Uniform"),
    "rnninit_hooks.recipes.scaled": (
        "KaimingNormal", "KaimingUniform", "LecunNormal", "LecunUniform", "XavierNormal", "XavierUniform",
    ),
    "rnninit_hooks.recipes.memory": ("Retention", "Timescale"),
    "rnninit_hooks.recipes.horizons": ("Chrono", "LogSpaced", "UniformGate"),
    "rnninit_hooks.recipes.retained": ("BiasForLag", "PowerLaw"),
    "rnninit_hooks.recipes.rings": ("LruRing", "RgLru"),
    "rnninit_hooks.recipes.state_spaces": ("LogUniform", "Mamba2ALog", "MambaDtBias", "S4dLin", "S4dReal"),
    "rnninit_hooks.recipes.hippo": ("Hippo",),
    "rnninit_hooks.recipes.decays": ("RwkvDecay",),
    "rnninit_hooks.recipes.heads": ("Prior", "SmallInit", "WangInit"),
    "rnninit_hooks.recipes.pretrained": ("Pretrained",),
    "rnninit_hooks.recipes.truncated": ("ScaledTruncNormal",),
    "rnninit_hooks.recipes.orthogonal": ("Orthogonal",),
    "rnninit_hooks.recipes.data": ("CriticalGain", "LagGradient", "Lsuv"),
    "rnninit_hooks.recipes.convolutional": ("DeltaOrthogonal",),
    "rnninit_hooks.recipes.joint_orthogonal": ("RecurrentBN",),
    "rnninit_hooks.recipes.reflections": ("Hadamard", "Householder", "SpecialOrthogonal"),
    "rnninit_hooks.recipes.rotations": ("Cayley", "ExpRNN", "Rotations"),
    "rnninit_hooks.recipes.sparse": ("Sparse",),
    "rnninit_hooks.recipes.spectral": ("SingularValues", "SpectralRadius"),
    "rnninit_hooks.recipes.structured": ("Antisymmetric", "Chain", "NpRNN"),
    "rnninit_hooks.recipes.vectors": ("IndRNN", "Linspace"),
    "rnninit_hooks.layout_files": ("load_layouts",),
    "rnninit_hooks.layouts.model": ("Layout", "Part"),
    "rnninit_hooks.layouts.registry": ("register_layout",),
    "rnninit_hooks.probing.inferring": ("infer_layout",),
    "rnninit_hooks.probing.verifying": ("verify_layout",),
    "rnninit_hooks.address": ("Address",),
    "rnninit_hooks.planning": ("Plan", "plan"),
    "rnninit_hooks.applying": ("apply",),
    "rnninit_hooks.checking": ("check",),
    "rnninit_hooks.inspection": ("inspect",),
    "rnninit_hooks.comparing": ("compare",),
    "rnninit_hooks.diffing": ("diff",),
    "rnninit_hooks.record": ("Record",),
    "rnninit_hooks.hooks.attach": ("Handle", "attach"),
    "rnninit_hooks.hooks.calibrate": ("calibrate",),
    "rnninit_hooks.hooks.decorate": ("initialized",),
    "rnninit_hooks.hooks.enforce": ("enforced",),
    "rnninit_hooks.hooks.materialize": ("materialize",),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
__all__ = ["__version__", *sorted(_HOME_OF)]  # noqa: PLE0604  (every one is text)


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""A record of what was written: rule, seed, address, digest and statistics of every slot, as JSON beside a checkpoint."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from rnninit_hooks import __version__
from rnninit_hooks.errors import RecordError
from rnninit_hooks.rows import Report, Row, Status


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Entry(_Model):
    """One slot as it was left: `digest` names its exact bits, `stats` are mean, std, min and max."""

    address: str
    status: Status
    shape: tuple[int, ...]
    dtype: str
    rule: str | None = None
    recipe: str | None = None
    place: str | None = None
    digest: str | None = None
    stats: dict[str, float] | None = None


class Record(_Model):
    """What one `apply` or settled `attach` left behind, to be compared with later.

    >>> import torch, rnninit_hooks as ri
    >>> lstm = torch.nn.LSTM(3, 4)
    >>> record = ri.Record.of(ri.apply(lstm, "lstm-classic"))
    >>> ri.compare(lstm, record).ok
    True
    """

    format: Literal[1] = 1
    package: str = __version__
    sampler: str
    seed: int
    slots: tuple[Entry, ...]

    @classmethod
    def of(cls, report: Report) -> Record:
        """The record of a report of `apply`, or of a handle; raises `RecordError` for one that wrote nothing yet."""
        if not any(row.status in ("written", "loaded", "touched", "keep") for row in report.rows):
            raise RecordError(
                f"a report of {report.verb!r} in which nothing is written yet has no record; apply or settle first"
            )
        return cls(sampler=report.sampler, seed=report.seed, slots=tuple(map(_entry, report.rows)))

    def save(self, path: str | Path) -> None:
        """Write sorted JSON, whole or not at all."""
        target = Path(path)
        temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            temporary.write_text(json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True) + "\n", encoding="utf-8")
            temporary.replace(target)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise RecordError(f"{target}: cannot be written: {error.strerror or error}") from error

    @classmethod
    def load(cls, path: str | Path) -> Record:
        """Read what `save` wrote; raises `RecordError` saying what is wrong where."""
        try:
            return cls.model_validate_json(Path(path).read_bytes())
        except OSError as error:
            raise RecordError(f"{path}: cannot be read: {error.strerror or error}") from error
        except ValidationError as error:
            raise RecordError(f"{path} is no record of format 1: {_first(error)}") from error


def _entry(row: Row) -> Entry:
    place = str(row.place) if row.place else None
    stats = dict(row.stats) if row.stats else None
    return Entry(
        address=row.address, status=row.status, shape=row.shape, dtype=row.dtype, rule=row.rule, recipe=row.recipe,
        place=place, digest=row.digest, stats=stats,
    )  # fmt: skip


def _first(error: ValidationError) -> str:
    fault: Any = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg']}"

"""Weights to and from safetensors files: tied tensors once, files whole or not at all."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rnninit_hooks.cli.failures import CannotJudge, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

_SUFFIX = ".safetensors"


def destination(text: str, *, force: bool) -> Path:
    """The file to write, checked before any work is done; a link is followed, so that it stays a link."""
    path = Path(text).resolve()
    subject = f"--output {text!r}"
    if path.suffix != _SUFFIX:
        raise CannotJudge(
            subject, f"a {path.suffix or 'nameless'} file", expected=f"a name that ends in {_SUFFIX}", fix="rename it"
        )
    if path.is_dir() or not path.parent.is_dir():
        raise CannotJudge(
            subject, "no place for a file", expected="a file in a folder that exists", fix=f"create {path.parent}"
        )
    if path.exists() and not force:
        raise CannotJudge(subject, "the file exists", expected="a new file", fix="give --force to overwrite it")
    return path


def save(model: nn.Module, path: Path, *, metadata: Mapping[str, str]) -> int:
    """Write the model's state under a temporary name, then move it into place; gives the number of tensors written.

    Names that share one tensor are written once, as `safetensors.torch.save_model` does, and `load` reads that back.
    """
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import save_model

    try:
        with tempfile.TemporaryDirectory(prefix=".rnninit-", dir=path.parent) as folder:
            temporary = Path(folder) / path.name
            save_model(model, str(temporary), metadata=dict(metadata))
            _sort_metadata(temporary)
            with safe_open(temporary, framework="pt") as file:
                written = len(file.keys())
            temporary.replace(path)
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise CannotJudge(f"--output {str(path)!r}", f"nothing was written: {one_line(error)}", fix="see the cause") from error
    return written


def _sort_metadata(path: Path) -> None:
    """Put the header's metadata in order: the writer hashes them, so that equal models would give unequal files."""
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        ordered = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(size)
        if len(ordered) != size:
            raise ValueError(f"a header of {size} bytes, {len(ordered)} in order")
        file.seek(8)
        file.write(ordered)


def load(model: nn.Module, text: str) -> None:
    """Read a file into a model, strictly: a missing, unexpected or misshapen tensor is a failure."""
    from safetensors import SafetensorError
    from safetensors.torch import load_model

    subject = f"--weights {text!r}"
    if not Path(text).is_file():
        raise CannotJudge(subject, "no such file", expected=f"a {_SUFFIX} file", fix="check the path")
    try:
        load_model(model, text, strict=True)
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        expected = "exactly the tensors of the model"
        raise CannotJudge(
            subject, f"does not fit: {one_line(error)}", expected=expected, fix="name the file that belongs to it"
        ) from error

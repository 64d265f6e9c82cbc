"""Tensors out of a file, by key: safetensors, or a checkpoint of torch that holds tensors alone; never code."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnninit_hooks.errors import RnnInitError

if TYPE_CHECKING:
    from torch import Tensor

SAFETENSORS = (".safetensors",)
TORCH = (".pt", ".pth", ".bin", ".ckpt")


class Unusable(RnnInitError):
    """Why a file, or a tensor in it, cannot be taken."""


def tensor(name: str, key: str, inside: tuple[str, ...] = ()) -> Tensor:
    """One tensor of a file, on the CPU, as it is stored; of a checkpoint of torch, within the mappings that `inside` names.

    Raises `Unusable` when there is no such file, when it is not what its ending says, or when it has no such tensor.
    """
    path = _file(name)
    if path.suffix in SAFETENSORS:
        return _of_safetensors(path, key)
    facts = path.stat()
    content = _within(path, _loaded(path, (facts.st_mtime_ns, facts.st_size, facts.st_ino)), inside)
    if key not in content:
        raise Unusable(_missing(path, key, content))
    return _as_tensor(path, key, content[key])


def numbers(stored: Tensor, key: str) -> Tensor:
    """A float64 copy of a tensor; raises `Unusable` where a recipe could not give such values."""
    if not stored.is_floating_point():
        raise Unusable(f"{key!r} is {stored.dtype} there, and recipes give real numbers")
    value = stored.detach().double().clone()
    if broken := int((~value.isfinite()).sum()):
        raise Unusable(f"{key!r} has nan or inf in {broken} of {value.numel()} elements there")
    return value


def _file(name: str) -> Path:
    try:
        path = Path(name).expanduser()
        found = path.is_file()
    except (OSError, ValueError, RuntimeError) as error:  # too long a name, a NUL in it, or `~` of nobody
        raise Unusable(f"{name!r} names no file ({getattr(error, 'strerror', None) or error})") from error
    if not found:
        raise Unusable(f"there is no file {str(path)!r}")
    return path


def _of_safetensors(path: Path, key: str) -> Tensor:
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise Unusable(f"reading {str(path)!r} takes the package safetensors, which cannot be imported ({error})") from error
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            names = list(file.keys())
            if key in names:
                return _as_tensor(path, key, file.get_tensor(key))
    except (SafetensorError, OSError) as error:
        raise Unusable(f"{str(path)!r} cannot be read as safetensors: {error}") from error
    raise Unusable(_missing(path, key, names))


@lru_cache(maxsize=1)
def _loaded(path: Path, stamp: tuple[int, int, int]) -> Any:
    """What a checkpoint holds, mapped rather than read where its format allows; `stamp` tells a file from its successor.

    The last one stays, since a plan asks for one parameter after the other.
    """
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # torch raises whatever a damaged or hostile file makes it meet
        raise Unusable(
            f"{str(path)!r} cannot be read as tensors alone ({type(error).__name__}); code is never unpickled here: "
            "save model.state_dict(), or convert the file to safetensors"
        ) from error


def _within(path: Path, content: Any, inside: tuple[str, ...]) -> Mapping[str, Any]:
    for count, step in enumerate(("", *inside)):
        where = ".".join(inside[:count]) or "the file"
        if count and step not in content:
            raise Unusable(_missing(path, step, content))
        content = content[step] if count else content
        if not isinstance(content, Mapping):
            raise Unusable(f"{where} of {str(path)!r} holds {type(content).__name__}, where a mapping of names is expected")
    found: Mapping[str, Any] = content
    return found


def _as_tensor(path: Path, key: str, value: object) -> Tensor:
    import torch

    if not isinstance(value, torch.Tensor):
        more = "; name the mapping in `inside`" if isinstance(value, Mapping) else ""
        raise Unusable(f"{key!r} of {str(path)!r} is no tensor but {type(value).__name__}{more}")
    if value.layout != torch.strided or value.device.type == "meta":
        raise Unusable(f"{key!r} of {str(path)!r} is a {value.layout} tensor on {value.device}, which holds no plain numbers")
    return value


def _missing(path: Path, key: str, names: Iterable[object]) -> str:
    known = [name for name in names if isinstance(name, str)]
    near = get_close_matches(key, known, n=3) or known[:3]
    return f"{str(path)!r} has no {key!r}; it holds {len(known)} names, such as {', '.join(map(repr, near)) or 'none'}"

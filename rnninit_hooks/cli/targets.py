"""TARGET becomes a module: import, look up, call."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import json
import sys
from typing import TYPE_CHECKING, Any

from rnninit_hooks.cli.failures import CannotJudge, did_you_mean, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import ModuleType

    from torch import nn

    from rnninit_hooks.cli.settings import TargetName

_EXPECTED = "package.module:factory or path/to/file.py:name"


def arguments(texts: Sequence[str]) -> dict[str, Any]:
    """`key=value` texts as keyword arguments; a value is JSON where it can be read so, else a string.

    >>> arguments(["hidden=16", "cell=LSTM", "sizes=[1, 2]", "bias=false", "rate=1e-3", "name=16 units"])
    {'hidden': 16, 'cell': 'LSTM', 'sizes': [1, 2], 'bias': False, 'rate': 0.001, 'name': '16 units'}
    """
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier():
            raise CannotJudge(
                f"--arg {text!r}", "no key=value pair", expected="--arg name=value", fix="write e.g. --arg hidden=16"
            )
        if key in found:
            raise CannotJudge(f"--arg {text!r}", f"{key} is given twice", expected="one value", fix="remove one")
        found[key] = _value(value)
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=str)
    except ValueError:
        return text


@contextlib.contextmanager
def importable(target: TargetName) -> Iterator[None]:
    """Imports find what stands beside the target, as `python -m` and `python file.py` would; undone afterwards.

    What the target prints goes to stderr, because stdout holds the report.
    """
    path, _ = _split(target)
    folder = (target.base / path).parent if path.endswith(".py") else target.base
    sys.path.insert(0, str(folder))
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))


def build(target: TargetName, keywords: Mapping[str, Any], *, seed: int) -> nn.Module:
    """The module that a target names: an instance as it is, or what a class or factory returns for `keywords`.

    torch's CPU stream is seeded while the target is imported and called, and put back afterwards, so that the parts
    of a model that no rule decides are the same in every run. Raises `CannotJudge`, with the cause attached.
    """
    path, name = _split(target)
    with _seeded(seed):
        found = _lookup(target, _import(target, path), name)
    with _seeded(seed):  # anew, so that what the factory draws does not depend on what the import drew
        return _module(target, _call(target, found, keywords))


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    from torch import default_generator, random

    with random.fork_rng(devices=[]):
        default_generator.manual_seed(seed)
        yield


def _split(target: TargetName) -> tuple[str, str]:
    path, colon, name = target.spec.rpartition(":")
    if not colon or not path or not all(part.isidentifier() for part in name.split(".")):
        raise CannotJudge(_subject(target), "no target", expected=_EXPECTED, fix="name the module and what to call in it")
    return path, name


def _subject(target: TargetName) -> str:
    return f"TARGET {target.spec!r}"


def _import(target: TargetName, path: str) -> ModuleType:
    try:
        return _from_file(target, target.base / path) if path.endswith(".py") else importlib.import_module(path)
    except CannotJudge:
        raise
    except ModuleNotFoundError as error:
        raise _not_found(target, path, error) from error
    except (Exception, SystemExit) as error:
        raise CannotJudge(
            _subject(target), f"importing {path} raised {one_line(error)}", fix="mend it; --traceback shows where"
        ) from error


def _not_found(target: TargetName, path: str, error: ModuleNotFoundError) -> CannotJudge:
    missing = error.name
    if missing and (path == missing or path.startswith(f"{missing}.")):
        fix = f"run it where `python -c 'import {path}'` works"
        return CannotJudge(_subject(target), f"no module named {missing!r}", expected=_EXPECTED, fix=fix)
    needed = f"needs {missing!r}, which is not installed" if missing else f"raised {one_line(error)}"
    return CannotJudge(_subject(target), f"importing {path} {needed}", fix="install it")


def _from_file(target: TargetName, file: Path) -> ModuleType:
    if not file.is_file():
        raise CannotJudge(_subject(target), f"no file {str(file)!r}", expected=_EXPECTED, fix="check the path")
    file = file.resolve()
    name = _free_name(file)
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise CannotJudge(_subject(target), "no Python file", expected=_EXPECTED, fix="check the path")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]  # a half-run module must not be found by the next target
        raise
    return module


def _free_name(file: Path) -> str:
    """The file's stem, as rules may name it; with a digest where another module has that name already."""
    owner = sys.modules.get(file.stem)
    taken = owner is not None and getattr(owner, "__file__", None) != str(file)
    return f"{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}" if taken else file.stem


def _lookup(target: TargetName, module: ModuleType, name: str) -> Any:
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            fix = did_you_mean(part, dir(found)) or "check the name"
            owner = getattr(found, "__name__", type(found).__name__)
            raise CannotJudge(_subject(target), f"{owner} has no {part!r}", expected=_EXPECTED, fix=fix)
        found = getattr(found, part)
    return found


def _call(target: TargetName, found: Any, keywords: Mapping[str, Any]) -> Any:
    from torch import nn

    subject = _subject(target)
    if isinstance(found, nn.Module):
        if keywords:
            raise CannotJudge(subject, "an instance takes no --arg", expected="a class or a factory", fix="drop --arg")
        return found
    if not callable(found):
        expected = "a class, a factory or an nn.Module"
        raise CannotJudge(subject, f"it is {found!r}", expected=expected, fix="name one")
    try:
        return found(**keywords)
    except (Exception, SystemExit) as error:
        fix = "give its arguments as --arg name=value" if isinstance(error, TypeError) else "mend it"
        raise CannotJudge(subject, f"calling it raised {one_line(error)}", fix=f"{fix}; --traceback shows where") from error


def _module(target: TargetName, made: Any) -> nn.Module:
    from torch import nn

    if not isinstance(made, nn.Module):
        raise CannotJudge(
            _subject(target), f"it gave a {type(made).__name__}", expected="a torch.nn.Module", fix="return the model"
        )
    return made

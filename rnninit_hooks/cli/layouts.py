"""`rnninit layouts`: what is registered, what probing says of it, and proposals for what is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnninit_hooks.cli.failures import CLEAN, FINDINGS, CannotJudge
from rnninit_hooks.cli.output import page_width, print_json, print_lines, write_file
from rnninit_hooks.findings import Finding
from rnninit_hooks.layout_files import as_code, as_yaml
from rnninit_hooks.layouts.model import Layout
from rnninit_hooks.layouts.registry import layouts

if TYPE_CHECKING:
    from rich.text import Text
    from torch import nn

    from rnninit_hooks.cli.commands import Job


@dataclass(frozen=True)
class Described:
    """One recurrent module: its layout, where that comes from, and what probing found against it."""

    path: str
    type: str
    layout: Layout | None
    proposed: bool
    findings: tuple[Finding, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        facts: dict[str, Any] = {"module": self.path, "type": self.type, "proposed": self.proposed}
        facts["findings"] = [finding.to_dict() for finding in self.findings]
        return facts | ({"layout": as_dict(self.layout)} if self.layout else {})


def as_dict(layout: Layout) -> dict[str, Any]:
    """A layout as plain data: what people ask of it."""
    return {
        "name": layout.name, "classes": list(layout.classes), "order": {k: list(v) for k, v in layout.order.items()},
        "axis": dict(layout.axis), "polarity": dict(layout.polarity), "constant": dict(layout.constant),
        "separate": list(layout.separate), "evidence": list(layout.evidence),
    }  # fmt: skip


def layouts_command(job: Job) -> int:
    """Without a target, what is registered; with one, every recurrent module of it. 1 when a layout is disproved or missing."""
    if not job.options.targets:
        return _registered(job)
    found = [(target.spec, job.on(target, _describe)) for target in job.targets]
    proposals = [one.layout for _, many in found for one in many if one.proposed and one.layout]
    if job.options.write:
        _write(Path(job.options.write), proposals, force=job.options.force)
    if job.settings.format == "json":
        print_json({"verb": "layouts", "reports": [{"target": t, "modules": [one.to_dict() for one in m]} for t, m in found]})
    else:
        print_lines(line for target, many in found for line in _lines(target, many, page_width()))
    bad = any(finding.level != "info" for _, many in found for one in many for finding in one.findings)
    return FINDINGS if bad else CLEAN


def _registered(job: Job) -> int:
    known = sorted(layouts().values(), key=lambda layout: layout.name)
    if job.settings.format == "json":
        print_json({"verb": "layouts", "layouts": [as_dict(layout) for layout in known]})
    else:
        from rich.text import Text

        print_lines(Text(f"{layout.name}  {', '.join(layout.gates)}  ({', '.join(layout.classes)})") for layout in known)
    return CLEAN


def _describe(model: nn.Module) -> list[Described]:
    from rnninit_hooks.anatomy import organs
    from rnninit_hooks.layouts.registry import layout_of
    from rnninit_hooks.probing.inferring import infer
    from rnninit_hooks.probing.verifying import verify_organ
    from rnninit_hooks.suspects import suspects, suspicion

    found: list[Described] = []
    for organ in organs(model):
        layout = layout_of(organ.module)
        if layout and layout.recurrent:
            found.append(Described(organ.path, type(organ.module).__name__, layout, False, tuple(verify_organ(organ, layout))))
    for organ in suspects(model):
        inference = infer(organ.module)
        proposal = None if inference.layout else f"probing found no layout: {inference.reason}"
        findings = (suspicion(organ, proposal),)
        kind = type(organ.module).__name__
        found.append(Described(organ.path, kind, inference.layout, inference.layout is not None, findings))
    return found


def _write(path: Path, proposals: list[Layout], *, force: bool) -> None:
    what = f"--write {str(path)!r}"
    if path.exists() and not force:
        raise CannotJudge(what, "exists already", fix="name another file, or give --force")
    if path.suffix not in (".yaml", ".yml", ".py"):
        raise CannotJudge(what, "no such format", expected="a name that ends in .yaml or .py", fix="rename it")
    if not proposals:
        raise CannotJudge(what, "nothing is proposed", fix="every recurrent module has a layout, or none was found")
    unique = list({layout.name: layout for layout in proposals}.values())
    write_file(path, as_code(unique) if path.suffix == ".py" else as_yaml(unique))


def _lines(target: str, many: list[Described], width: int) -> Iterator[Text]:
    from rich.text import Text

    from rnninit_hooks.report.flow import Cell, flow
    from rnninit_hooks.report.problems import finding_lines

    for one in many:
        origin = "proposed by probing" if one.proposed else f"layout {one.layout.name}" if one.layout else "no layout"
        yield from flow([Cell(one.path or "(root)", "bold"), Cell(one.type, "magenta"), Cell(origin)], width=width)
        for words in _words(one.layout) if one.layout else ():
            yield from flow([Cell(words)], width=width, indent=2)
        yield from finding_lines(one.findings, width=width)
        yield Text("")
    yield Text(f"layouts: {len(many)} recurrent modules in {target}")


def _words(layout: Layout) -> Iterator[str]:
    for part in layout.parts:
        if part.order:
            more = [word for word, said in (("interleaved", part.interleaved), ("x @ W", part.transposed)) if said]
            yield f"{part.name}: {', '.join(part.order)} ({', '.join([f'axis {part.axis}', *more])})"
    for gate, sign in layout.polarity.items():
        yield f"{gate} {'keeps' if sign > 0 else 'overwrites'} the old state when open"
    for gate, value in layout.constant.items():
        yield f"forward adds {value:+g} to {gate}"
    yield from layout.evidence

"""The commands that build no model: rules, schema, presets, explain. None of them wakes torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rnninit_hooks.cli.failures import CLEAN, FINDINGS, CannotJudge, did_you_mean
from rnninit_hooks.cli.judging import of_rule_files
from rnninit_hooks.cli.output import page_width, print_json, print_lines, print_text, put, put_judgement
from rnninit_hooks.errors import RuleFileError
from rnninit_hooks.findings import CODES, Code, Finding

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Iterator, Sequence

    from rich.text import Text

    from rnninit_hooks.cli.settings import Settings


@dataclass(frozen=True)
class FileVerdict:
    """One rule file: the rules that it leaves, or its problems."""

    file: str
    rules: int
    seed: int | None
    findings: tuple[Finding, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"file": self.file, "ok": not self.findings, "rules": self.rules, "seed": self.seed}


def rules_command(options: Namespace, settings: Settings) -> int:
    """`rnninit rules`: every problem of every file; 1 when there is one."""
    files = tuple(options.files) or (settings.required_rules(),)
    verdicts = [_judged(file) for file in files]
    if settings.format in ("text", "json"):
        put(settings.format, options.output, lines=lambda width: _rule_lines(verdicts, width), document=lambda: _all(verdicts))
    else:
        put_judgement(of_rule_files(verdicts), settings.format, options.output)
    return FINDINGS if any(verdict.findings for verdict in verdicts) else CLEAN


def _all(verdicts: Sequence[FileVerdict]) -> dict[str, Any]:
    findings = [finding.to_dict() for verdict in verdicts for finding in verdict.findings]
    return {"verb": "rules", "ok": not findings, "files": [one.to_dict() for one in verdicts], "findings": findings}


def _judged(file: str) -> FileVerdict:
    from rnninit_hooks.rules.load import resolve

    try:
        policy = resolve(file)
    except RuleFileError as error:
        return FileVerdict(file, 0, None, error.findings)
    return FileVerdict(file, len(policy.rules), policy.seed)


def _rule_lines(verdicts: Iterable[FileVerdict], width: int) -> Iterator[Text]:
    from rich.text import Text

    from rnninit_hooks.report.problems import finding_lines
    from rnninit_hooks.report.words import count, visible

    for verdict in verdicts:
        yield from finding_lines(verdict.findings, width=width)
        said = (
            count(len(verdict.findings), "problem")
            if verdict.findings
            else f"{count(verdict.rules, 'rule')}, seed {verdict.seed}"
        )
        yield Text(visible(f"{verdict.file}: {said}"), style="red" if verdict.findings else "green")


def schema_command(options: Namespace, settings: Settings) -> int:
    """`rnninit schema`: JSON, whatever the format."""
    from rnninit_hooks.rules.schema import json_schema

    print_json(json_schema())
    return CLEAN


def presets_command(options: Namespace, settings: Settings) -> int:
    """`rnninit presets [NAME]`: the list, or one rule file as it is packaged."""
    from rnninit_hooks.rules.load import presets

    known = presets()
    if options.name is None:
        _print_presets(known, settings)
        return CLEAN
    name = options.name.removeprefix("builtin:")
    if name not in known:
        fix = did_you_mean(name, list(known)) or "see `rnninit presets`"
        raise CannotJudge(f"preset {options.name!r}", "unknown", expected=f"one of {', '.join(known)}", fix=fix)
    text = _packaged("presets", f"{name}.yaml")
    if settings.format == "json":
        print_json({"name": name, "summary": known[name], "papers": _papers(text), "text": text})
    else:
        print_text(text)
    return CLEAN


def _print_presets(known: dict[str, str], settings: Settings) -> None:
    papers = {name: _papers(_packaged("presets", f"{name}.yaml")) for name in known}
    if settings.format == "json":
        print_json({"presets": [{"name": name, "summary": text, "papers": papers[name]} for name, text in known.items()]})
    else:
        print_lines(_preset_lines(known, papers, page_width()))


def _preset_lines(known: dict[str, str], papers: dict[str, list[str]], width: int) -> Iterator[Text]:
    from rich.text import Text

    from rnninit_hooks.report.flow import prose

    for name, summary in known.items():
        yield Text(name, style="bold")
        yield from prose(summary, width=width, indent=2)
        for paper in papers[name]:
            yield from prose(paper, width=width, indent=4, hang=6, style="dim")


def _papers(text: str) -> list[str]:
    """The paragraph of a preset's head that begins with `Papers:` or `Source:`."""
    head = [line.removeprefix("#").strip() for line in text.partition("\nversion:")[0].splitlines()]
    start = next((index for index, line in enumerate(head) if line.startswith(("Papers:", "Source:"))), len(head))
    own = head[start : head.index("", start) if "" in head[start:] else len(head)]
    if own and own[0] == "Papers:":
        return own[1:]
    return [" ".join(own).removeprefix("Source: ")] if own else []


def explain_command(options: Namespace, settings: Settings) -> int:
    """`rnninit explain [CODE]`: a code's page, or all codes."""
    if options.code is None:
        _print_codes(settings)
        return CLEAN
    code = _code(options.code)
    page = _packaged("explain", f"{code.code}.md")
    if settings.format == "json":
        print_json({**_facts(code), "page": page})
    else:
        print_text(page)
    return CLEAN


def _code(text: str) -> Code:
    for code in CODES.values():
        if text.upper() == code.code or text.lower() == code.name:
            return code
    names = [name for code in CODES.values() for name in (code.code, code.name)]
    fix = did_you_mean(text, names) or "see `rnninit explain`"
    raise CannotJudge(f"code {text!r}", "unknown", expected="a code such as RNN101, or its name", fix=fix)


def _print_codes(settings: Settings) -> None:
    if settings.format == "json":
        print_json({"codes": [_facts(code) for code in CODES.values()]})
    else:
        print_lines(_code_lines(list(CODES.values()), page_width()))


def _code_lines(codes: Sequence[Code], width: int) -> Iterator[Text]:
    from rnninit_hooks.report.flow import Cell, flow, words

    for code in codes:
        head = Cell(f"{code.code}  {code.name}", "bold", 38)
        yield from flow([head, *words(f"{code.level}: {code.summary}")], width=width, hang=38, gap=1)


def _facts(code: Code) -> dict[str, str]:
    return {"code": code.code, "name": code.name, "level": code.level, "summary": code.summary}


def _packaged(folder: str, name: str) -> str:
    from importlib.resources import files

    return files("rnninit_hooks").joinpath(folder, name).read_text(encoding="utf-8")

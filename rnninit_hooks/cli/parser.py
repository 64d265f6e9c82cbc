"""The grammar of the command line."""

from __future__ import annotations

import argparse
from functools import partial
from typing import NoReturn

from rnninit_hooks import __version__
from rnninit_hooks.cli.failures import CannotJudge
from rnninit_hooks.cli.forms import FAIL_ON, WITH_FAIL_ON, formats_of

_SUMMARY = "Say, apply, see and enforce how PyTorch modules are initialised, gate by gate."
_EPILOG = """\
TARGET is package.module:name or path/to/file.py:name, where name is a class, a
factory or a module instance. Defaults come from [tool.rnninit] in the nearest
pyproject.toml (rules, targets, baseline, fail-on), then RNNINIT_RULES,
RNNINIT_FORMAT, RNNINIT_FAIL_ON, then flags.

plan, check, lint and rules speak every --format: text, concise, json, github,
sarif, junit, markdown, html; inspect speaks text, json, markdown and html, diff
text, json and markdown, the others text and json. concise and github have one
line per finding on stdout and their summary on stderr.

exit status: 0 clean, 1 findings (errors or warnings, unless --fail-on says
otherwise), 2 could not judge"""


_DIFF_EPILOG = """\
RULES_A and RULES_B are rule files, presets, or files of a revision, named as
git names them: HEAD~1:init.rules.yaml counts from the root of the repository,
HEAD~1:./init.rules.yaml from here. What such a file extends by a relative path
comes from the same revision. RULES ends in .yaml or .yml; default: rules in
pyproject.toml. --seed replaces the seeds of both.

exit status: 0 nothing changes, 1 something changes (a slot, or an error or
warning that comes or goes), 2 could not judge"""


class Parser(argparse.ArgumentParser):
    """argparse with one voice: bad usage is a failure like any other."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and leaving."""
        raise CannotJudge("usage", message, fix=f"see `{self.prog} --help`")


def parser() -> Parser:
    """The parser of `rnninit`."""
    top = _parser_with(Parser(prog="rnninit", description=_SUMMARY, epilog=_EPILOG))
    top.add_argument("--version", action="version", version=f"rnninit {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, text in _MODEL_COMMANDS.items():
        _model_command(commands, name, text)
    _baseline_command(commands)
    for name, text in _PAGE_COMMANDS.items():
        _page_command(commands, name, text)
    return top


_MODEL_COMMANDS = {
    "plan": "what the rules would do to a model; nothing is written",
    "apply": "initialise a model by the rules and save its weights",
    "check": "does a model, as it is, obey the rules?",
    "inspect": "the effective quantities of every slot; no rules needed",
    "layouts": "which gates stand where: registered layouts, or what probing finds",
    "diff": "what a change of rules does to a model, slot by slot; nothing is written",
}
_PAGE_COMMANDS = {
    "rules": "read rule files and show every problem with its place",
    "schema": "the JSON schema of rule files, for editors",
    "presets": "list the packaged rule files, or print one",
    "lint": "defects of initialisation in source code; nothing is imported or run",
    "recipes": "list what a rule may ask for: formula, fields, source",
    "explain": "the page of a code such as RNN101 or idle-rule, or the list of codes",
}


def _parser_with(one: Parser) -> Parser:
    one.formatter_class = partial(argparse.RawDescriptionHelpFormatter, width=80)
    one.allow_abbrev = False
    return one


def _command(commands: argparse._SubParsersAction[Parser], name: str, text: str) -> Parser:
    one = _parser_with(commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}."))
    forms = formats_of(name)
    one.add_argument("--format", choices=forms, metavar="FORMAT", help=f"{', '.join(forms)} (default: text)")
    if name in WITH_FAIL_ON:
        least = f"the least finding worth exit status 1: {', '.join(FAIL_ON)} (default: warning)"
        one.add_argument("--fail-on", choices=FAIL_ON, metavar="LEVEL", help=least)
    one.add_argument("--traceback", action="store_true", help="show where a failure arose")
    return one


def _model_command(commands: argparse._SubParsersAction[Parser], name: str, text: str) -> None:
    one = _command(commands, name, text)
    if name == "diff":
        _diff_arguments(one)
    else:
        one.add_argument("targets", nargs="*", metavar="TARGET", help="default: targets in pyproject.toml")
    one.add_argument(
        "--arg", action="append", default=[], metavar="KEY=VALUE", help="an argument for the factory, JSON or text"
    )
    one.add_argument("--seed", type=_seed, metavar="N", help="instead of the seed in the rules")
    if name not in ("inspect", "layouts", "diff"):
        one.add_argument("--rules", metavar="F", help="a rule file, or the name of a preset")
    if name == "apply":
        one.add_argument("-o", "--output", required=True, metavar="FILE", help="the .safetensors file to write")
        one.add_argument("--record", metavar="FILE", help="also write what was written, slot by slot, as JSON")
        one.add_argument("--force", action="store_true", help="overwrite an existing file")
    else:
        one.add_argument("-o", "--output", metavar="FILE", help="write the report there instead of to stdout")
    one.add_argument("--layouts", action="append", metavar="FILE", help="a file of layouts to register first")
    if name in ("plan", "check"):
        _known(one)
    if name in ("plan", "check", "inspect"):
        one.add_argument("--probe", action="store_true", help="run recurrent modules for one step, on private copies")
    if name == "layouts":
        one.add_argument("--write", metavar="FILE", help="write proposals there: .yaml, or .py for registration code")
        one.add_argument("--force", action="store_true", help="overwrite an existing file")
    if name == "check":
        one.add_argument("--against", metavar="RECORD", help="compare bits with a record; without --rules that alone")
        one.add_argument("--weights", metavar="FILE", help="a .safetensors file to load into the model first")


def _diff_arguments(one: Parser) -> None:
    one.usage = "%(prog)s [options] RULES_A RULES_B [TARGET ...]\n       %(prog)s [options] --rev REV [RULES] [TARGET ...]"
    one.epilog = _DIFF_EPILOG
    one.add_argument("words", nargs="*", metavar="RULES or TARGET", help="two policies, then targets (default: pyproject.toml)")
    one.add_argument("--rev", metavar="REV", help="compare RULES with what they were in this revision")


def _known(one: Parser) -> None:
    one.add_argument("--baseline", metavar="FILE", help="known findings; default: baseline in pyproject.toml")


def _baseline_command(commands: argparse._SubParsersAction[Parser]) -> None:
    one = _command(commands, "baseline", "write down today's findings; from then on the file only shrinks")
    one.add_argument("targets", nargs="*", metavar="TARGET", help="default: targets in pyproject.toml, without --lint")
    one.add_argument("--lint", nargs="+", metavar="PATH", help="Python files, or folders of them, judged as `lint` does")
    one.add_argument("--grow", action="store_true", help="also add what is new to an existing file, and print it")
    one.add_argument("-o", "--output", metavar="FILE", help="default: baseline in pyproject.toml, else beside that file")
    one.add_argument("--rules", metavar="F", help="a rule file, or the name of a preset")
    one.add_argument("--arg", action="append", default=[], metavar="KEY=VALUE", help="an argument for the factory")
    one.add_argument("--seed", type=_seed, metavar="N", help="instead of the seed in the rules")
    one.add_argument("--layouts", action="append", metavar="FILE", help="a file of layouts to register first")


def _page_command(commands: argparse._SubParsersAction[Parser], name: str, text: str) -> None:
    one = _command(commands, name, text)
    if name == "rules":
        one.add_argument("files", nargs="*", metavar="FILE", help="default: rules in pyproject.toml")
    if name in ("rules", "lint"):
        one.add_argument("-o", "--output", metavar="FILE", help="write the report there instead of to stdout")
    if name == "presets":
        one.add_argument("name", nargs="?", metavar="NAME", help="the preset to print")
    if name == "lint":
        _known(one)
        one.add_argument("paths", nargs="+", metavar="PATH", help="Python files, or folders of them")
        one.add_argument("--select", type=_codes, metavar="CODES", help="these codes or beginnings of codes only, with commas")
        one.add_argument("--ignore", type=_codes, metavar="CODES", help="not these codes or beginnings of codes")
        one.add_argument("--suggest", action="store_true", help="print a rule file for what the code meant")
    if name == "recipes":
        one.add_argument("names", nargs="*", metavar="KIND", help="only these")
    if name == "explain":
        one.add_argument("code", nargs="?", metavar="CODE", help="the code or the name of a finding")


def _codes(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _seed(text: str) -> int:
    try:
        seed = int(text)
    except ValueError:
        seed = -1
    if not 0 <= seed < 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} is no seed; expected a whole number from 0 to 2**63 - 1")
    return seed

"""The published schema: packaged as the command prints it, accepts what the reader accepts, refuses what it refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rnninit_hooks as ri
from tests.rules.table import BROKEN

PACKAGE = Path(ri.__file__).parent
SCHEMA = PACKAGE / "schemas" / "rules-1.json"
EXAMPLES = sorted((PACKAGE.parent / "examples").rglob("*.rules.yaml"))
PRESETS = sorted((PACKAGE / "presets").glob("*.yaml"))
TOOL = Path(sys.executable).with_name("check-jsonschema")

BEYOND = {
    # what stands in other files, or between the entries of this one, no schema sees
    "extends unknown preset", "extends a url", "extends a missing file", "extends a missing package",
    "extends out of a package", "extends beside a package", "extends the home of nobody", "extends an endless name",
    "extends a name with a nul", "missing base, so no drop is unknown", "drop unknown", "duplicate ids",
    # what a pattern means
    "bad regex", "exploding regex", "exploding dots", "exploding alternation", "ambiguous regex", "swelling regex",
    "doubling regex", "endless regex",
    # what the text looked like before it became data, and numbers that JSON does not have
    "version 1.0", "a YAML 1.1 directive", "a TAG directive", "plain tag", "value nan", "value inf", "value overflows",
}  # fmt: skip
"""Names of the broken files that the schema lets pass: the known differences."""
TOO_MUCH = {"fifty thousand brackets", "endless seed"}
"""Names of files that the tool's own reader of YAML does not survive."""


def test_the_packaged_file_is_what_the_command_prints():
    done = subprocess.run([sys.executable, "-m", "rnninit_hooks", "schema"], capture_output=True, text=True, check=True)
    same = SCHEMA.read_text(encoding="utf-8") == done.stdout
    assert same, f"run `python -m rnninit_hooks schema > {SCHEMA}`"


def test_the_file_is_named_after_the_version_that_it_states():
    assert json.loads(SCHEMA.read_text(encoding="utf-8"))["properties"]["version"]["const"] == int(SCHEMA.stem.rpartition("-")[2])


@pytest.fixture(scope="module")
def refused():
    """Files that the real tool refuses, each with a reason."""
    if not TOOL.exists() and shutil.which("check-jsonschema") is None:
        pytest.skip("check-jsonschema is not installed (pip install check-jsonschema)")
    tool = str(TOOL) if TOOL.exists() else "check-jsonschema"

    def run(files):
        words = [tool, "--schemafile", str(SCHEMA), "--output-format", "json", "--force-filetype", "yaml", *map(str, files)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        said = json.loads(done.stdout)
        return {Path(each["filename"]).name for each in [*said.get("errors", []), *said.get("parse_errors", [])]}

    return run


@pytest.mark.real
def test_the_schema_itself_is_one():
    tool = str(TOOL) if TOOL.exists() else shutil.which("check-jsonschema")
    if tool is None:
        pytest.skip("check-jsonschema is not installed (pip install check-jsonschema)")
    done = subprocess.run([tool, "--check-metaschema", str(SCHEMA)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.real
def test_every_preset_and_example_is_accepted(refused, tmp_path):
    assert len(PRESETS) >= 4 and EXAMPLES
    editors = tmp_path / "editors.yaml"
    editors.write_text("$schema: x\nversion: 1\nextends: builtin:lstm-classic\n")
    assert refused([*PRESETS, *EXAMPLES, editors]) == set()


@pytest.mark.real
def test_what_the_reader_refuses_the_schema_refuses_but_for_what_no_schema_sees(refused, tmp_path):
    names = {}
    for index, (name, raw, _) in enumerate(row for row in BROKEN if row[0] not in TOO_MUCH):
        file = tmp_path / f"{index}.yaml"
        file.write_bytes(raw)
        names[file.name] = name
    found = refused(tmp_path / name for name in names)
    accepted = {name for file, name in names.items() if file not in found}
    assert len(accepted) < len(names) / 3
    assert accepted <= BEYOND, sorted(accepted - BEYOND)
    assert set(names.values()) >= BEYOND, sorted(BEYOND - set(names.values()))

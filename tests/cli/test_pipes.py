"""Pipes, terminals, encodings: width, colour, readers that leave."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from .test_table import CASES

RNNINIT = [sys.executable, "-m", "rnninit_hooks"]
MANY = ["plan", "models.py:many", "--rules", "lstm-classic"]
TEXT = [case[0] for case in CASES if case[1] != 2 and "schema" not in case[0]]


@pytest.mark.parametrize("words", [*TEXT, " ".join(MANY), "inspect models.py:many", "check models.py:many --rules warns.yaml"])
def test_in_a_pipe_no_line_is_wider_than_80_and_none_has_colour(project, words, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    ran = project(*words.replace('"', "").split())
    allowed = 120 if "presets lstm" in words or "presets builtin" in words else 80
    assert max(map(len, ran.out.splitlines())) <= allowed
    assert "\x1b" not in ran.out + ran.err


def in_terminal(words, environment, columns=100):
    """What a command shows on a terminal of its own."""
    fcntl, pty, termios = (pytest.importorskip(name) for name in ("fcntl", "pty", "termios"))
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    known = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "TERM")}
    child = subprocess.Popen([*RNNINIT, *words], stdin=side, stdout=side, stderr=side, env=known | environment)
    os.close(side)
    shown = b""
    while True:
        try:
            read = os.read(main, 65536)
        except OSError:  # the other side is closed: Linux says EIO
            break
        if not read:
            break
        shown += read
    os.close(main)
    return child.wait(), shown.decode()


def test_a_terminal_gets_colour_and_its_own_width(project):
    code, shown = in_terminal(MANY, {"TERM": "xterm-256color"}, columns=150)
    assert code == 0 and "\x1b[" in shown
    assert any("weight_hh_l0" in line and "lstm-recurrent" in line for line in shown.splitlines())


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1", "TERM": "xterm"}, {"TERM": "dumb"}])
def test_no_color_and_dumb_terminals_get_no_colour(project, environment):
    code, shown = in_terminal(MANY, environment)
    assert code == 0 and "\x1b" not in shown and "weight_hh_l0" in shown


def test_a_progress_bar_is_on_the_terminal_only(project):
    words = ["apply", "models.py:build", "--rules", "lstm-classic", "-o", "w.safetensors"]
    code, shown = in_terminal(words, {"TERM": "xterm-256color"})
    assert code == 0 and "━" in shown
    ran = subprocess.run([*RNNINIT, *words, "--force"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0 and "━" not in ran.stderr + ran.stdout


@pytest.mark.parametrize(("words", "code"), [(["explain"], 0), (["schema"], 0), (["rules", "bad.yaml"], 1)])
def test_a_reader_that_leaves_is_no_error_and_does_not_change_the_verdict(project, words, code):
    with subprocess.Popen([*RNNINIT, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == code


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_not_silent(project):
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run([*RNNINIT, "explain"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ran.returncode == 2 and ran.stderr.startswith("rnninit: stdout: cannot be written")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_stream_that_knows_ascii_only_gets_escapes(project, form):
    project.write(
        "wide.yaml",
        "version: 1\nuntouched: allow\nrules:\n  - {id: a, match: {kind: recurrent}, init: {kind: zeros}, why: 'größe 文'}\n",
    )
    words = [*RNNINIT, "plan", "models.py:build", "--rules", "wide.yaml", "--format", form]
    ran = subprocess.run(words, capture_output=True, env=os.environ | {"PYTHONIOENCODING": "ascii"}, check=False)
    assert ran.returncode == 0 and b"gr\\" in ran.stdout


def test_a_report_can_go_to_a_file(project):
    ran = project(*MANY, "-o", "report.txt")
    text = (project.folder / "report.txt").read_text(encoding="utf-8")
    assert (ran.code, ran.out) == (0, "") and text.rstrip().splitlines()[-1].startswith("plan: ")
    assert project(*MANY).out == text
    assert sorted(path.name for path in project.folder.glob("*report*")) == ["report.txt"]

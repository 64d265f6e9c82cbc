"""Whatever stands in a name, a message or an excerpt: a report is printed, on lines that are lines."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from rnninit_hooks.findings import Finding, Place
from rnninit_hooks.report.formats import to_json
from rnninit_hooks.report.text import render_facts, render_report
from rnninit_hooks.rows import FactTable

from .fakes import facts, report, row

ANY = st.text(st.characters(), min_size=1, max_size=30)


@given(name=ANY, gate=ANY, message=ANY, excerpt=ANY, line=st.integers(1, 10**6))
def test_any_text_is_printed_on_lines_without_control_characters(name, gate, message, excerpt, line):
    place = Place(name, line, 1)
    own = row(name, gate, message, rule=name, recipe=message, why=message, note=excerpt, place=place)
    finding = Finding("RNN201", message, address=own.address, rule=name, place=place, expected=message, excerpt=excerpt)
    whole = report(own, findings=(finding, finding), allowed=((finding, message),), verb="check")
    for text in (render_report(whole), render_facts(FactTable((facts(name, gate, message),)))):
        assert all(char.isprintable() for char in text if char != "\n")
    assert json.loads(to_json(whole.to_dict()))["findings"][0]["message"] == message

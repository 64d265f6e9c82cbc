"""One page that needs nothing else: no script, no file beside it, every text escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from rnninit_hooks.report.sentences import one_line, readable, title

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rnninit_hooks.findings import Finding
    from rnninit_hooks.report.judgement import Judgement, Subject

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color-scheme: light dark; }}
table {{ border-collapse: collapse; margin: 1rem 0; }}
th, td {{ border: 1px solid #8888; padding: .3rem .6rem; text-align: left; vertical-align: top; overflow-wrap: anywhere; }}
.error {{ color: #c33; font-weight: bold; }} .warning {{ color: #a60; }} .info {{ color: #27a; }} .allowed {{ opacity: .7; }}
pre {{ margin: .3rem 0; overflow-x: auto; }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


def render(judgement: Judgement) -> str:
    """The page, in ASCII: other characters are written as references."""
    body = "\n".join(line for subject in judgement.subjects for line in _section(subject))
    page = _PAGE.format(title=_text(f"rnninit {judgement.summary}"), body=body)
    return page.encode("ascii", "xmlcharrefreplace").decode()


def _section(subject: Subject) -> Iterator[str]:
    yield f"<h2>{_text(subject.name)}</h2>"
    yield f"<p>{_text(subject.note)}</p>" if subject.note else ""
    rows = [_finding(finding, finding.level) for finding in subject.findings]
    rows += [_finding(finding, "allowed", reason) for finding, reason in subject.allowed]
    yield from _table(("level", "code", "place", "address", "rule", "finding"), rows) if rows else ["<p>no findings</p>"]
    if subject.table:
        yield from _table(subject.table[0], ([_text(cell) for cell in row] for row in subject.table[1:]))


def _finding(finding: Finding, level: str, reason: str | None = None) -> list[str]:
    place = str(finding.place) if finding.place else ""
    told = [("", finding.message), ("expected: ", finding.expected), ("fix: ", finding.fix), ("allowed: ", reason)]
    words = "<br>".join(_text(f"{label}{text}") for label, text in told if text)
    excerpt = f"<pre>{escape(readable(finding.excerpt))}</pre>" if finding.excerpt else ""
    cells = [_text(text or "") for text in (title(finding), place, finding.address, finding.rule)]
    return [f'<span class="{level}">{level}</span>', *cells, words + excerpt]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"<table>\n<tr>{''.join(f'<th>{_text(cell)}</th>' for cell in head)}</tr>"
    for row in rows:
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>"
    yield "</table>"


def _text(text: str) -> str:
    return escape(one_line(text))

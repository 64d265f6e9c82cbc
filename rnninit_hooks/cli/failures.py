"""Why nothing could be judged, in one voice: what, what was found, what was expected, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnninit_hooks.errors import RnnInitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rnninit_hooks.findings import Finding

CLEAN, FINDINGS, NOT_JUDGED, INTERRUPTED = 0, 1, 2, 130


class CannotJudge(RnnInitError):
    """The command line could not come to a verdict; the process ends with 2.

    >>> print(CannotJudge("RNNINIT_FORMAT 'yaml'", "no such format", expected="text or json", fix="unset it"))
    rnninit: RNNINIT_FORMAT 'yaml': no such format; expected text or json; fix: unset it
    """

    def __init__(
        self, subject: str, found: str, *, expected: str | None = None, fix: str | None = None,
        findings: Sequence[Finding] = (),
    ) -> None:  # fmt: skip
        """`subject` is what the failure is about; `findings` are the problems of a rule file or a plan."""
        self.subject, self.found, self.expected, self.fix = subject, found, expected, fix
        self.findings = tuple(findings)
        super().__init__(subject, found)

    def __str__(self) -> str:
        """All of it on one line."""
        expected = f"; expected {self.expected}" if self.expected else ""
        fix = f"; fix: {self.fix}" if self.fix else ""
        return f"rnninit: {self.subject}: {self.found}{expected}{fix}"

    def to_dict(self) -> dict[str, str]:
        """Plain data for JSON; keys without a value are left out."""
        facts = {"subject": self.subject, "found": self.found, "expected": self.expected, "fix": self.fix}
        return {"message": str(self), **{key: value for key, value in facts.items() if value is not None}}


def one_line(error: BaseException) -> str:
    """An exception's type and text on one line; a text without content still has its type.

    >>> one_line(KeyError("hidden"))
    "KeyError: 'hidden'"
    """
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def did_you_mean(word: str, known: Sequence[str]) -> str | None:
    """A hint for a mistyped word, or None.

    >>> did_you_mean("rulse", ["rules", "targets"])
    "write 'rules'"
    """
    import difflib

    near = difflib.get_close_matches(word, known, n=1)
    return f"write {near[0]!r}" if near else None

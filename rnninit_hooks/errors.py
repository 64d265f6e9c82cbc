"""Exceptions that hold facts: each carries the findings it was raised for. Knows nothing of torch."""

from __future__ import annotations

from collections.abc import Iterable

from rnninit_hooks.findings import Finding


class RnnInitError(Exception):
    """The root of everything that this package raises on purpose."""


class RnnInitWarning(UserWarning):
    """Something that the user should hear of, though the work went on."""


class _WithFindings(RnnInitError):
    """An error that is a list of findings; the message prints them all."""

    headline = "{count} problem{s}"

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings: tuple[Finding, ...] = tuple(findings)
        super().__init__(self._text())

    def __reduce__(self) -> tuple[type, tuple[tuple[Finding, ...]]]:
        return type(self), (self.findings,)

    def _text(self) -> str:
        count = len(self.findings)
        head = self.headline.format(count=count, s="" if count == 1 else "s")
        return "\n".join([head, *(_block(finding) for finding in self.findings)])


def _block(finding: Finding) -> str:
    excerpt = "\n" + finding.excerpt if finding.excerpt else ""
    return f"{finding}{excerpt}"


class RuleFileError(_WithFindings, ValueError):
    """A rule file, or a policy built in Python, is not one. `findings` lists every problem with its place."""

    headline = "the rules cannot be read: {count} problem{s}"


class LayoutFileError(_WithFindings, ValueError):
    """A file of layouts is not one. `findings` lists every problem with its place."""

    headline = "the layouts cannot be read: {count} problem{s}"


class PolicyError(_WithFindings, ValueError):
    """A policy and a model do not fit. Raised before the first write; `findings` says why."""

    headline = "the policy cannot be applied to this model, nothing was written: {count} error{s}"


class WriteError(_WithFindings, RuntimeError):
    """A write did not take. The model was put back as it was before."""

    headline = "a write did not take, the model was put back as it was: {count} error{s}"


class PendingInit(RnnInitError, RuntimeError):
    """A model with pending initialisation was used in a way that can neither initialise nor run it truthfully."""


class RegistrationError(RnnInitError, ValueError):
    """A recipe or a layout was registered with contradicting facts."""


class RecordError(RnnInitError, ValueError):
    """A record cannot be made, written or read."""


class BaselineError(RnnInitError, ValueError):
    """A file of known findings cannot be read, or is none."""


class AddressError(RnnInitError, ValueError):
    """A text is no slot address."""

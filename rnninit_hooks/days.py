"""Which day it is: asked here and nowhere else, so that a test can say it."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone

_LAST_PLACE = timezone(timedelta(hours=-12))
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def today() -> date:
    """The day in the place on Earth where it ends last.

    One day for a whole team, whatever the clock of each machine is set to, and a day that is given as a limit counts to
    its end wherever the reader sits.
    """
    return datetime.now(_LAST_PLACE).date()


def day(text: str) -> date:
    """The day that `YYYY-MM-DD` names; raises ValueError for another form and for a day that no calendar has.

    >>> day("2028-02-29").isoweekday()
    2
    """
    if not _ISO.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no day; expected year-month-day, such as 2027-03-01")
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is a day that no calendar has: {error}") from error

"""Regular expressions that a site writes into its settings: checked at start, not at document 9,000."""

from __future__ import annotations

import re

_PROBES = ("a" * 2000 + "!", "1" * 2000 + "!", "a1 " * 700 + "!", "汉字" * 1000 + "!", " " * 2000 + "!")
_MOST_SECONDS = 0.5  # for one probe; a sound pattern takes well under a hundredth of that


def complaint_about(pattern: str) -> str | None:
    """Why `pattern` cannot be used, as the beginning of a sentence; None when it can.

    A pattern that takes long for a text that nearly matches would take hours for some document.
    """
    try:
        compiled = re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        return f"the pattern {pattern} is no regular expression ({error.msg})"
    if compiled.search(""):
        return f"the pattern {pattern} matches the empty text, so it would match everywhere"
    import regex

    try:
        for probe in _PROBES:
            regex.search(pattern, probe, regex.IGNORECASE, timeout=_MOST_SECONDS)
    except TimeoutError:
        return f"the pattern {pattern} takes too long for a text of 2,000 characters; avoid nested repetitions"
    except regex.error:
        pass  # what only `re` understands cannot be timed
    return None

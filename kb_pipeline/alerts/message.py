"""What a message says, and the forms in which receivers take it.

A *condition* is something that needs a person: a document that failed, a source whose deletions are held, a check or a
job that failed. It has a *state*, which tells it from an earlier one of the same subject that was told already. A
*digest* is one message about all conditions that are new. It holds counts, the kinds of errors and names as they are
stored, which are masked; never text of a document or what an error says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kb_pipeline.settings import AlertFormat, AlertKind

NAMES_SHOWN = 5  # of each kind
LONGEST_NAME = 120  # characters
LONGEST_TEXT = 2_000  # bytes; WeCom takes 2,048
HEADINGS: dict[AlertKind, tuple[str, str]] = {
    "documents": ("document failed", "documents failed"),
    "deletions": ("source whose deletions are held", "sources whose deletions are held"),
    "checks": ("check failed", "checks failed"),
    "runs": ("job failed", "jobs failed"),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """`subject`: what it is about, unique within its kind. `name`: the same for a person. `note`: a word about it, such
    as the kind of error."""

    kind: AlertKind
    subject: str
    state: str
    name: str
    note: str = ""

    @property
    def key(self) -> tuple[AlertKind, str]:
        return self.kind, self.subject


@dataclass(frozen=True, slots=True)
class Digest:
    """`new`: what this message is about. `known`: kind -> how many conditions there are now, old ones among them."""

    new: Sequence[Condition]
    known: Mapping[AlertKind, int]
    at: datetime
    links: Mapping[str, str]


def untold(current: Sequence[Condition], told: Mapping[tuple[str, str], str]) -> list[Condition]:
    """Those of which no message said anything in the state they are in; `told`: (kind, subject) -> state."""
    return [condition for condition in current if told.get(condition.key) != condition.state]


def body(digest: Digest, form: AlertFormat) -> dict[str, Any]:
    """What is sent, as JSON."""
    return _FORMS[form](digest)


def text(digest: Digest) -> str:
    """The message as a person reads it, at most LONGEST_TEXT bytes of UTF-8."""
    groups = _by_kind(digest.new)
    summary = ", ".join(f"{len(found)} {_heading(kind, len(found))}" for kind, found in groups.items())
    lines = [f"kb_pipeline: {summary or 'this is a test, nothing needs you'}"]
    for kind, found in groups.items():
        lines.append(f"{_heading(kind, len(found)).capitalize()}: {len(found)} new, {digest.known[kind]} in all")
        lines += [f"- {_one_line(each.name)}{f' ({each.note})' if each.note else ''}" for each in found[:NAMES_SHOWN]]
        if len(found) > NAMES_SHOWN:
            lines.append(f"- and {len(found) - NAMES_SHOWN} more")
    links = [f"{name}: {url}" for name, url in digest.links.items()]
    room = LONGEST_TEXT - len("\n".join(["", *links]).encode())
    return "\n".join([_cut("\n".join(lines), room), *links])


def _json(digest: Digest) -> dict[str, Any]:
    return {
        "text": text(digest),
        "at": digest.at.isoformat(),
        "alerts": {
            kind: {
                "new": len(found),
                "all": digest.known[kind],
                "notes": dict(Counter(each.note for each in found if each.note).most_common()),
                "examples": [_one_line(each.name) for each in found[:NAMES_SHOWN]],
            }
            for kind, found in _by_kind(digest.new).items()
        },
        "links": dict(digest.links),
    }


def _slack(digest: Digest) -> dict[str, Any]:
    # A name such as <!channel> would call everybody: https://api.slack.com/reference/surfaces/formatting#escaping
    plain = text(digest).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": plain}


def _feishu(digest: Digest) -> dict[str, Any]:
    # Its text takes tags, <at user_id="all"> among them, and knows no way to write a plain <.
    return {"msg_type": "text", "content": {"text": text(digest).replace("<", "＜")}}


def _dingtalk(digest: Digest) -> dict[str, Any]:
    """WeCom's form is the same."""
    return {"msgtype": "text", "text": {"content": text(digest)}}


_FORMS: dict[AlertFormat, Callable[[Digest], dict[str, Any]]] = {
    "json": _json,
    "slack": _slack,
    "feishu": _feishu,
    "dingtalk": _dingtalk,
    "wecom": _dingtalk,
}


def _by_kind(conditions: Sequence[Condition]) -> dict[AlertKind, list[Condition]]:
    found = {kind: [each for each in conditions if each.kind == kind] for kind in HEADINGS}
    return {kind: each for kind, each in found.items() if each}


def _heading(kind: AlertKind, count: int) -> str:
    return HEADINGS[kind][count != 1]


def _one_line(name: str) -> str:
    printable = "".join(character if character.isprintable() else " " for character in name)
    return printable if len(printable) <= LONGEST_NAME else f"{printable[: LONGEST_NAME - 1]}…"


def _cut(written: str, most: int) -> str:
    encoded = written.encode()
    return written if len(encoded) <= most else f"{encoded[: most - 4].decode(errors='ignore')} …"

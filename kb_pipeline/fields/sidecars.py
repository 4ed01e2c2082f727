"""Sidecars and manifests: which files are some, what they describe, and what they say.

`contract.pdf.meta.yaml` (or .yml, .json) describes contract.pdf, `_meta.yaml` all that lies in its folder and below. Of
YAML only plain values are read: a tag, an anchor or anything nested has no meaning here, so nothing of a file is ever
executed or multiplied. Every value is kept as it was written; the type of its field decides later what it is.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from kb_pipeline.errors import BadSidecar
from kb_pipeline.fields.declaration import field_name
from kb_pipeline.fields.groups import COMPLAINT, KEY
from kb_pipeline.fields.values import MOST_KEYS, Written, plain_given
from kb_pipeline.parsing.encodings import decode_text, is_binary

Kind = Literal["document", "folder", "manifest"]

LARGEST_SIDECAR = 64 << 10  # bytes
LARGEST_MANIFEST = 8 << 20  # bytes, some hundred thousand short rows
MOST_CHARACTERS = 2_000  # of a value that is kept
PATH_COLUMNS = ("path", "file", "source_file", "路径", "文件")
_ENDINGS = (".yaml", ".yml", ".json")
_NAME = re.compile(r"(?:_meta|(?P<described>.+)\.meta)\.(?:yaml|yml|json)", re.IGNORECASE | re.DOTALL)
_NOTHING = "tag:yaml.org,2002:null"
_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp"))
_PLAIN_TAGS |= {"tag:yaml.org,2002:value", "tag:yaml.org,2002:merge"}  # a lone = and <<, which are texts here


class About(NamedTuple):
    """What a sidecar describes: `path` of a document, or of a folder with a slash at its end ('' is the source)."""

    kind: Kind
    path: str


def is_sidecar(name: str) -> bool:
    """Whether a file of that name, without folders, is one."""
    return name[-5:].lower().endswith(_ENDINGS) and _NAME.fullmatch(name) is not None


def described_by(path: str) -> About | None:
    """What the sidecar at `path` describes; None for another file."""
    folder, slash, name = path.rpartition("/")
    match = _NAME.fullmatch(name) if is_sidecar(name) else None
    if match is None:
        return None
    named = match["described"]
    return About("folder", folder + slash) if named is None else About("document", folder + slash + named)


def read_sidecar(data: bytes, name: str) -> dict[str, Written]:
    """What a sidecar of that name says. Raises BadSidecar."""
    if len(data) > LARGEST_SIDECAR:
        raise BadSidecar(f"It is larger than {LARGEST_SIDECAR >> 10} KiB; a sidecar holds a few fields.")
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        raise BadSidecar("It is not in UTF-8; save it so.") from None
    values = _json(text) if name.lower().endswith(".json") else _yaml(text)
    if len(values) > MOST_KEYS:
        raise BadSidecar(f"It has more than {MOST_KEYS} keys; a sidecar holds a few fields.")
    said = _storable(plain_given(values))
    if KEY not in said and any(field_name(str(key)) == KEY for key in values):
        raise BadSidecar(f"{COMPLAINT}.")
    return said


class ManifestRow(NamedTuple):
    """`number`: its place in the file, where the row of names is the first."""

    number: int
    given: dict[str, Written]


def read_manifest(data: bytes) -> dict[str, ManifestRow]:
    """Path -> the row that says something of it; of two rows for one path the first. Raises BadSidecar."""
    if len(data) > LARGEST_MANIFEST:
        raise BadSidecar(
            f"It is larger than {LARGEST_MANIFEST >> 20} MiB; divide it, and name the parts under manifests."
        )
    if is_binary(data):
        raise BadSidecar("It is no text; export it as CSV.")
    text, _ = decode_text(data)
    found: dict[str, ManifestRow] = {}
    try:
        for path, row in _rows(text):
            found.setdefault(path, row)
    except csv.Error:
        raise BadSidecar("It is no CSV file; export it again.") from None
    return found


def _rows(text: str) -> Iterator[tuple[str, ManifestRow]]:
    header, _, _ = text.partition("\n")
    separator = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    names = [field_name(name.lstrip("\ufeff")) for name in next(reader, [])]
    place = next((names.index(name) for name in PATH_COLUMNS if name in names), None)
    if place is None:
        raise BadSidecar("Its first row names no column `path`; add one that holds the paths of documents.")
    for number, row in enumerate(reader, start=2):
        if place < len(row) and (path := row[place].strip().replace("\\", "/").lstrip("/")):
            cells = zip(names, row, strict=False)
            values = {name: cell.strip() for column, (name, cell) in enumerate(cells) if column != place}
            yield path, ManifestRow(number, _storable(plain_given(values)))


def _json(text: str) -> Mapping[str, Any]:
    try:
        values = json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except json.JSONDecodeError as error:
        raise BadSidecar(f"It is no JSON (line {error.lineno}: {error.msg}); correct it.") from None
    except RecursionError:
        raise BadSidecar("It is nested too deeply; a sidecar holds a few fields.") from None
    if not isinstance(values, dict):
        raise BadSidecar('It is no JSON object; write one such as {"department": "finance"}.')
    return values


def _yaml(text: str) -> Mapping[str, Any]:
    import yaml

    try:
        root = yaml.compose(text, Loader=_unlinked_loader())
    except yaml.MarkedYAMLError as error:
        place = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        raise BadSidecar(f"It is no YAML{place}; correct it.") from None
    except (yaml.YAMLError, ValueError):
        raise BadSidecar("It is no YAML: it holds a character that YAML forbids; correct it.") from None
    except RecursionError:
        raise BadSidecar("It is nested too deeply; a sidecar holds a few fields.") from None
    if root is None:
        return {}
    if not isinstance(root, yaml.MappingNode):
        raise BadSidecar("It is no list of fields; write lines such as `department: finance`.")
    return {str(_scalar(key)): _value(value) for key, value in root.value}


def _unlinked_loader() -> Any:
    """A loader of YAML without aliases, by which a small file could say the same thing a billion times."""
    import yaml

    class Unlinked(yaml.SafeLoader):
        def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
            if self.check_event(yaml.AliasEvent):
                raise BadSidecar("It holds an alias, such as *name; write the value.")
            node: yaml.Node | None = super().compose_node(parent, index)
            return node

    return Unlinked


def _value(node: Any) -> Any:
    """A text, a list of texts, nothing, or for what is nested a mapping, which is no plain value."""
    import yaml

    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    _refuse_tag(node, "seq" if isinstance(node, yaml.SequenceNode) else "map")
    if isinstance(node, yaml.SequenceNode):
        return [_scalar(item) if isinstance(item, yaml.ScalarNode) else {} for item in node.value]
    return {}


def _scalar(node: Any) -> str | None:
    if node.tag not in _PLAIN_TAGS:
        _refuse_tag(node)
    return None if node.tag == _NOTHING else str(node.value)


def _refuse_tag(node: Any, *known: str) -> None:
    if node.tag not in {f"tag:yaml.org,2002:{name}" for name in known}:
        raise BadSidecar(f"It holds a tag (line {node.start_mark.line + 1}), which is never followed; write the value.")


def _storable(given: dict[str, Written]) -> dict[str, Written]:
    """`given` as PostgreSQL can hold it. Raises BadSidecar."""
    for name, written in given.items():
        for text in (name, *(written if isinstance(written, list) else [written])):
            if len(text) > MOST_CHARACTERS:
                raise BadSidecar(f"A value is longer than {MOST_CHARACTERS:,} characters; shorten it.")
            if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text):
                raise BadSidecar("It holds a character that no text can hold; take it out.")
    return given

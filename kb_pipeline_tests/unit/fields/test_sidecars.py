"""Which files are sidecars, and what they say."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kb_pipeline.errors import BadSidecar
from kb_pipeline.fields.layers import folders_of
from kb_pipeline.fields.sidecars import described_by, read_manifest, read_sidecar


@pytest.mark.parametrize(
    ("path", "about"),
    [
        ("a/b.pdf.meta.yaml", ("document", "a/b.pdf")),
        ("合同.pdf.META.JSON", ("document", "合同.pdf")),
        ("a/_meta.yml", ("folder", "a/")),
        ("_meta.json", ("folder", "")),
        ("meta.yaml", None),
        ("a/x.yaml", None),
        ("a_meta.yaml", None),
        (".meta.yaml", None),
        ("a.meta.toml", None),
    ],
)
def test_names_say_what_a_sidecar_describes(path: str, about: tuple[str, str] | None) -> None:
    assert described_by(path) == about


def test_yaml_is_read_as_it_is_written() -> None:
    text = "Country: NO\nno: 007\nversion: 1.10\nwhen: 2024-01-02\n"
    text += "none: ~\nlist: [a, 1, ~]\nnested: {a: 1}\n'quoted': 'x'\n"
    assert read_sidecar(text.encode("utf-16"), "a.yaml") == {
        "country": "NO",
        "no": "007",
        "version": "1.10",
        "when": "2024-01-02",
        "list": ["a", "1"],
        "quoted": "x",
    }
    assert read_sidecar(b"", "a.yaml") == read_sidecar(b"# nothing\n", "a.yaml") == {}


def test_json_keeps_every_digit() -> None:
    assert read_sidecar(b'{"a": 1.10, "b": 123456789012345678901, "c": true}', "a.json") == {
        "a": "1.10",
        "b": "123456789012345678901",
        "c": "true",
    }


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")), st.sampled_from(["a.yaml", "a.json"]))
def test_any_text_is_read_or_refused_in_a_sentence(text: str, name: str) -> None:
    try:
        read_sidecar(text.encode("utf-8", "surrogatepass"), name)
    except BadSidecar as error:
        assert str(error).endswith(".")  # noqa: PT017


@settings(deadline=None)  # the first guess of an encoding loads what it needs
@given(st.binary(max_size=300))
def test_any_bytes_are_a_manifest_or_refused_in_a_sentence(data: bytes) -> None:
    for found in (data, b"path,tag\n" + data):
        try:
            read_manifest(found)
        except BadSidecar as error:
            assert str(error).endswith(".")  # noqa: PT017


def test_a_manifest_names_its_rows() -> None:
    rows = read_manifest("\ufeffTag;Path\n合同;a\\b.pdf\nx;\ny;a/b.pdf\n".encode())
    assert {path: (row.number, row.given) for path, row in rows.items()} == {"a/b.pdf": (2, {"tag": "合同"})}
    with pytest.raises(BadSidecar, match="path"):
        read_manifest(b"tag,name\nx,y\n")


def test_folders_come_from_the_nearest_up() -> None:
    assert folders_of("a/b/c.pdf") == ["a/b/", "a/", ""]
    assert folders_of("c.pdf") == [""]

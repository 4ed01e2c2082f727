"""What is said of a file, looked up where it lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kb_pipeline.operations.descriptions import describe_file
from kb_pipeline.privacy.maskers import Maskers
from kb_pipeline.privacy.masking import Masker
from kb_pipeline.privacy.policy import MaskingPolicy
from kb_pipeline.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

MASKERS = Maskers(Masker(MaskingPolicy(), b"k" * 32))
FIELDS = {"tag": "text", "team": "text", "author": "text", "phone": "text"}


def test_a_file_shows_where_each_of_its_fields_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "red/x/a.md"
    file.parent.mkdir(parents=True)
    (tmp_path / "_meta.yaml").write_text("tag: all\nphone: '13812345678'\n")
    (tmp_path / "red/_meta.yaml").write_text("tag: [")
    (tmp_path / "red/x/a.md.meta.json").write_text('{"tag": "own"}')
    sources = [{"uri": str(tmp_path), "patterns": ["{team}/"]}]
    found = describe_file(file, load_settings(fields=FIELDS, sources=sources), MASKERS, {"author": "Li"})
    assert {name: (said["value"], said["origin"]) for name, said in found.fields.items() if name != "phone"} == {
        "tag": ("own", "red/x/a.md.meta.json"),
        "team": ("red", "the path, by {team}/"),
        "author": ("Li", "the file itself"),
    }
    assert str(found.fields["phone"]["value"]).startswith("<CN_MOBILE_")
    (complaint,) = found.complaints
    assert complaint.startswith("red/_meta.yaml: It is no YAML (line 1)")


def test_outside_a_source_only_what_lies_beside_a_file_counts(tmp_path: Path) -> None:
    file = tmp_path / "folder/a.md"
    file.parent.mkdir()
    (tmp_path / "_meta.yaml").write_text("tag: far\n")
    (tmp_path / "folder/_meta.yaml").write_text("team: near\n")
    found = describe_file(file, load_settings(fields=FIELDS), MASKERS, {})
    assert {name: said["value"] for name, said in found.fields.items()} == {"team": "near"}

"""What e-mail and archives carry are documents of their own, which come, change, move and go with their carrier."""

from __future__ import annotations

import io
import zipfile
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kb_pipeline.access.principal import Principal
from kb_pipeline.operations.audit import audit
from kb_pipeline.operations.originals import open_original
from kb_pipeline.store import database, generations
from kb_pipeline.store.conditions import compile_condition

if TYPE_CHECKING:
    from kb_pipeline_tests.sites import TestSite


def archive(files: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name, content in files.items():
            target.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def mail(attachments: dict[str, bytes]) -> bytes:
    message = EmailMessage()
    message["Subject"] = "Offer"
    message.set_content("Please see the offer.")
    for name, content in attachments.items():
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    message.add_attachment(b"\x89PNG", maintype="image", subtype="png", disposition="inline", filename="logo.png")
    return message.as_bytes()


def put(kb: TestSite, path: str, data: bytes) -> None:
    place = kb.documents / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)


def found(kb: TestSite) -> set[str]:
    return {row["source_file"] for row in kb.rows()}


def test_what_is_inside_comes_changes_moves_and_goes_with_its_carrier(kb: TestSite) -> None:
    inner = archive({"deep.md": "# Deep\n\nIn an archive in an archive.\n"})
    put(kb, "box.zip", archive({"a/one.md": "# One\n\nFirst.\n", "b.txt": "Second.", "inner.zip": inner}))
    put(kb, "sales/mail.eml", mail({"offer.md": b"# Offer\n\nTen boxes.\n"}))
    added = kb.refresh()
    everything = {
        *("box.zip", "box.zip/a/one.md", "box.zip/b.txt", "box.zip/inner.zip", "box.zip/inner.zip/deep.md"),
        *("sales/mail.eml", "sales/mail.eml/offer.md"),
    }
    assert found(kb) == everything
    assert (added["new"], added["failed"]) == (7, 0)
    assert {row["collection"] for row in kb.rows() if row["source_file"].startswith("box")} == {"default"}
    assert kb.dirty() == 0
    assert audit(kb.site).findings == ()
    ids = {row["source_file"]: row["document_id"] for row in kb.rows()}
    with open_original(kb.site.names, kb.connection, ids["box.zip/a/one.md"]).file as original:
        assert original.read() == b"# One\n\nFirst.\n"

    put(kb, "box.zip", archive({"a/one.md": "# One\n\nChanged.\n", "b.txt": "Second.", "new.txt": "Third."}))
    changed = kb.refresh()
    assert found(kb) == {
        *("box.zip", "box.zip/a/one.md", "box.zip/b.txt", "box.zip/new.txt"),
        *("sales/mail.eml", "sales/mail.eml/offer.md"),
    }
    assert (changed["new"], changed["changed"], changed["deleted"]) == (1, 2, 2)
    assert {row["document_id"] for row in kb.rows() if row["source_file"] == "box.zip/b.txt"} == {ids["box.zip/b.txt"]}

    (kb.documents / "sales/mail.eml").rename(kb.documents / "moved.eml")
    moved = kb.refresh()
    assert (moved["moved"], moved["new"], moved["deleted"], moved["texts_embedded"]) == (2, 0, 0, 0)
    assert {"moved.eml", "moved.eml/offer.md"} <= found(kb)

    (kb.documents / "moved.eml").unlink()
    (kb.documents / "box.zip").unlink()
    assert kb.refresh(allow_mass_delete=True)["deleted"] == 6
    assert found(kb) == set()


def test_carriers_that_were_read_before_they_were_opened_are_opened(kb: TestSite) -> None:
    put(kb, "mail.eml", mail({"offer.md": b"# Offer\n\nTen boxes.\n"}))
    kb.refresh()
    kb.refresh()  # and finds that all names are stored as they should
    kb.connection.execute("UPDATE documents SET deleted_at = now() WHERE path = 'mail.eml/offer.md'")
    kb.refresh()
    assert found(kb) == {"mail.eml"}
    kb.connection.execute(query_of("0055_carriers"))
    report = kb.refresh()
    assert (found(kb), report["new"], report["texts_embedded"]) == ({"mail.eml", "mail.eml/offer.md"}, 1, 0)


def query_of(migration: str) -> bytes:
    folder = Path(database.__file__).parent / "sql" / "migrations"
    return (folder / f"{migration}.sql").read_bytes()


def test_whoever_may_not_read_the_carrier_may_not_read_what_it_carries(kb: TestSite) -> None:
    put(kb, "hr.eml", mail({"pay.md": b"# Pay\n\nTen.\n"}))
    put(kb, "hr.eml.meta.yaml", b"groups: hr\n")
    kb.refresh()
    assert (by(kb), by(kb, "hr")) == (set(), {"hr.eml", "hr.eml/pay.md"})
    put(kb, "hr.eml.meta.yaml", b"groups: board\n")
    kb.refresh()
    assert (by(kb, "hr"), by(kb, "board")) == (set(), {"hr.eml", "hr.eml/pay.md"})


def by(kb: TestSite, *groups: str) -> set[str]:
    generation = generations.active_generation(kb.connection)
    assert generation is not None
    condition = compile_condition(Principal("key:x", groups=groups).condition())
    statement = f"SELECT source_file FROM {generation.table.as_string()} WHERE {condition.sql.as_string()}"  # noqa: S608
    return {row[0] for row in kb.connection.execute(statement.encode(), condition.parameters)}


def test_personal_data_in_names_inside_is_masked_and_the_file_still_found(kb: TestSite) -> None:
    put(kb, "ann.lee@example.com.zip", archive({"13812345678/pay 13987654321.md": "# Pay\n\nTen.\n"}))
    kb.refresh()
    (name,) = {path for path in found(kb) if path.endswith(".md")}
    assert not any(part in name for part in ("ann.lee", "13812345678", "13987654321"))
    assert kb.dirty() == 0
    (document,) = {row["document_id"] for row in kb.rows() if row["source_file"] == name}
    with open_original(kb.site.names, kb.connection, document).file as original:
        assert original.read().startswith(b"# Pay")


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({f"{number}.txt": "x" for number in range(2001)}, "more than 2,000 files"),
        ({"bomb.txt": bytes(600 << 20)}, "unpacks to more than"),
    ],
)
def test_a_bomb_costs_one_sentence_and_the_rest_stays(
    kb: TestSite, files: dict[str, str | bytes], sentence: str
) -> None:
    put(kb, "bomb.zip", archive(files))
    kb.write("good.md", "# Good\n\nStays.\n")
    report = kb.refresh()
    assert (found(kb), report["failed"]) == ({"good.md"}, 1)
    (reason,) = (row[0] for row in kb.connection.execute("SELECT reason FROM failures"))
    assert sentence in reason

"""Fields of documents: where they come from, what a change of them costs, and that they filter."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from kb_pipeline.errors import SettingsError
from kb_pipeline.operations.search import search
from kb_pipeline.search.request import SearchRequest
from kb_pipeline.stages.planning import make_plan
from kb_pipeline.store import descriptions

if TYPE_CHECKING:
    from kb_pipeline_tests.instant_embedding_server import InstantServer
    from kb_pipeline_tests.sites import TestSite

DECLARED = {"tag": "text", "date": "date", "amount": "number", "draft": "boolean", "groups": "list of text"}


def source(kb: TestSite, **more: Any) -> list[dict[str, Any]]:
    return [{"uri": str(kb.documents), **more}]


def found(kb: TestSite, where: str) -> set[str]:
    """The documents that `--where` lets pass."""
    request = SearchRequest("passage", k=50, mode="vector", where=where)
    return {hit.source_file for hit in search(kb.site, request).hits}


def by_sql(kb: TestSite, where: str) -> set[str]:
    return {row["source_file"] for row in kb.rows(where)}


def reasons(kb: TestSite) -> dict[str, str]:
    return {failure.path: failure.reason for failure in descriptions.failures(kb.connection)}


def plan(kb: TestSite) -> Any:
    return make_plan(kb.connection, kb.site.settings, kb.site.scope(), kb.site.names)


def field(kb: TestSite, name: str) -> dict[str, Any]:
    return {row["source_file"]: row[name] for row in kb.rows()}


def test_a_sidecar_says_what_filters_and_sql_find(kb: TestSite) -> None:
    kb.reopen(fields=DECLARED)
    kb.write("a.md", "A passage.\n")
    kb.write("a.md.meta.yaml", "tag: finance\ndate: 2024-03-01\namount: 12.50\ndraft: no\ngroups: [board, hr]\n")
    kb.write("b.md", "Another passage.\n")
    kb.write("b.md.meta.json", json.dumps({"Tag": "finance", "date": "2023-12-31", "amount": 3, "draft": True}))
    kb.write("c.md", "A third passage.\n")
    counts = kb.refresh()
    assert (counts["new"], counts["failed"], counts["skipped"], counts["described"]) == (3, 0, 0, 0)
    for where in ("tag = 'finance' and date > '2024-01-01'", "amount > 12", "not draft = true"):
        assert found(kb, where) == {"a.md"}, where
        assert by_sql(kb, where) == {"a.md"}, where
    assert (
        found(kb, "groups = 'hr'") == found(kb, "groups in ('hr', 'x')") == by_sql(kb, "groups @> '{hr}'") == {"a.md"}
    )
    assert found(kb, "tag is null") == {"c.md"}
    (hit,) = search(kb.site, SearchRequest("passage", mode="lexical", where="groups = 'hr'")).hits
    assert hit.fields == {
        "tag": "finance",
        "date": "2024-03-01",
        "amount": 12.5,
        "draft": False,
        "groups": ["board", "hr"],
    }
    assert found(kb, "groups <> 'hr'") == set()
    assert found(kb, "not (tag = 'x' and page_number is null)") == {"a.md", "b.md"}
    assert found(kb, "tag = 'x' or source_file = 'c.md'") == {"c.md"}
    assert field(kb, "amount") == {"a.md": Decimal("12.50"), "b.md": Decimal(3), "c.md": None}


def test_a_changed_sidecar_changes_nothing_but_metadata(kb: TestSite, embedding_server: InstantServer) -> None:
    kb.reopen(fields=DECLARED)
    kb.write("p/a.md", "A passage.\n")
    kb.write("p/b.md", "Another passage.\n")
    kb.write("p/a.md.meta.yaml", "tag: old\n")
    kb.refresh()
    rows, requests, parsed = kb.rows(), embedding_server.seen()["requests"], kb.count("elements")
    kb.write("p/a.md.meta.yaml", "tag: new\n")
    planned = plan(kb)
    assert [len(scan.sidecars.documents) for scan in planned.scans] == [1]
    assert sum(planned.dirty.values()) == 1
    counts = kb.refresh()
    assert (counts["described"], counts["changed"], counts["documents"], counts["chunks_written"]) == (1, 0, 0, 0)
    assert field(kb, "tag") == {"p/a.md": "new", "p/b.md": None}
    assert [row["id"] for row in kb.rows()] == [row["id"] for row in rows]
    assert (embedding_server.seen()["requests"], kb.count("elements")) == (requests, parsed)
    assert not plan(kb).dirty
    kb.touch("p/a.md.meta.yaml")
    assert kb.refresh()["described"] == 0
    (kb.documents / "p/a.md.meta.yaml").unlink()
    assert kb.refresh()["described"] == 1
    assert field(kb, "tag") == {"p/a.md": None, "p/b.md": None}
    assert kb.count("sidecars") == 0
    assert not plan(kb).dirty


def test_the_nearest_place_that_says_a_field_decides(kb: TestSite) -> None:
    declared = dict.fromkeys(("own", "near", "far", "row", "place", "author", "all"), "text")
    kb.reopen(fields=declared, sources=source(kb, manifests=["index.csv"], patterns=["{place}/{all}/"]))
    kb.write("p/q/a.md", "---\nauthor: file\nall: file\nrow: file\n---\nA passage.\n")
    kb.write("index.csv", "path,all,row,place\np/q/a.md,manifest,manifest,manifest\n,x,y,z\n")
    kb.write("_meta.yaml", "all: far\nfar: far\nnear: far\n")
    kb.write("p/q/_meta.yml", "all: near\nnear: near\nown: near\n")
    kb.write("p/q/a.md.meta.json", '{"all": "own", "own": "own", "near": null}')
    kb.write("p/b.md", "Another passage.\n")
    assert kb.refresh()["failed"] == 0
    rows = {row["source_file"]: [row[name] for name in declared] for row in kb.rows()}
    assert rows["p/q/a.md"] == ["own", "near", "far", "manifest", "manifest", "file", "own"]
    assert rows["p/b.md"] == [None, "far", "far", None, None, None, "far"]


def test_a_field_that_is_declared_later_is_filled_in_for_old_documents(
    kb: TestSite, embedding_server: InstantServer
) -> None:
    kb.write("finance/a.md", "---\nauthor: Li Lei\ndate: 2024-05-06\n---\nA passage.\n")
    kb.write("finance/a.md.meta.yaml", "tag: x\n")
    kb.refresh()
    kb.connection.execute("UPDATE elements SET metadata = NULL")  # as it was before there was such a column
    requests = embedding_server.seen()["requests"]
    kb.reopen(fields={"tag": "text", "date": "date"}, sources=source(kb, patterns=["{department}/"]))
    assert plan(kb).redeclared == 1
    assert kb.refresh()["described"] >= 1
    assert [(row["tag"], row["date"]) for row in kb.rows()] == [("x", datetime.date(2024, 5, 6))]
    kb.reopen(fields={"tag": "list of text", "department": "text"})
    kb.refresh()
    assert [(row["tag"], row["department"], "date" in row) for row in kb.rows()] == [(["x"], "finance", False)]
    assert not plan(kb).dirty
    assert embedding_server.seen()["requests"] == requests
    kb.reopen(fields={})
    kb.refresh()
    assert "tag" not in kb.rows()[0]


def test_a_pattern_that_changes_describes_the_documents_anew(kb: TestSite) -> None:
    kb.reopen(fields={"team": "text", "year": "number"}, sources=source(kb, patterns=["{team}/"]))
    kb.write("red/2024/a.md", "A passage.\n")
    kb.refresh()
    assert field(kb, "team") == {"red/2024/a.md": "red"}
    kb.reopen(sources=source(kb, patterns=["{team}/{year}/"]))
    assert kb.refresh()["described"] == 1
    assert field(kb, "year") == {"red/2024/a.md": 2024}
    kb.move("red/2024/a.md", "blue/2023/a.md")
    kb.refresh()
    assert field(kb, "team") == {"blue/2023/a.md": "blue"}


BAD: dict[str, tuple[str | bytes, str]] = {
    "broken.yaml": ("tag: [", "line"),
    "tagged.yaml": ("tag: !!python/object/apply:os.system ['touch x']", "never followed"),
    "linked.yaml": ("a: &a [x]\ntag: *a", "alias"),
    "deep.yaml": ("[" * 30_000, "nested"),
    "large.yaml": ("tag: " + "x" * 70_000, "larger than 64 KiB"),
    "latin.yaml": ("tag: caf\xe9".encode("latin-1"), "UTF-8"),
    "list.yaml": ("- tag", "lines such as"),
    "long.yaml": ("tag: " + "x" * 3_000, "longer than"),
    "typed.yaml": ("date: soon", "date is not a date such as"),
    "broken.json": ("{", "JSON (line 1"),
    "zero.json": ('{"tag": "a\\u0000b"}', "no text can hold"),
    "list.json": ("[]", "JSON object"),
}


def test_a_bad_sidecar_is_a_failure_and_its_document_keeps_its_fields(kb: TestSite) -> None:
    kb.reopen(fields=DECLARED)
    for name in BAD:
        kb.write(f"{name}.md", "A passage.\n")
        kb.write(f"{name}.md.meta.{name[-4:]}", '{"tag": "before"}')
    assert kb.refresh()["sidecars_failed"] == 0
    for name, (content, _) in BAD.items():
        kb.write(f"{name}.md.meta.{name[-4:]}", content)
    counts = kb.refresh()
    shut = 2  # too large to be read whole, and with an escape: they may say who reads
    assert (counts["sidecars_failed"], counts["failed"], counts["described"]) == (len(BAD), 0, shut)
    for name, (_, words) in BAD.items():
        assert words in reasons(kb)[f"{name}.md.meta.{name[-4:]}"], name
    assert set(field(kb, "tag").values()) == {"before"}
    assert len(kb.rows()) == len(BAD)
    assert not plan(kb).dirty
    for name in BAD:
        kb.write(f"{name}.md.meta.{name[-4:]}", '{"tag": "after"}')
    kb.refresh()
    assert reasons(kb) == {}
    assert set(field(kb, "tag").values()) == {"after"}


def test_two_sidecars_of_one_document_may_not_disagree(kb: TestSite) -> None:
    kb.reopen(fields=DECLARED)
    kb.write("a.md", "A passage.\n")
    kb.write("a.md.meta.yaml", "tag: x\namount: 1\n")
    kb.write("a.md.meta.json", '{"tag": "x", "draft": true}')
    kb.refresh()
    assert [(row["tag"], row["amount"], row["draft"]) for row in kb.rows()] == [("x", 1, True)]
    kb.write("a.md.meta.json", '{"tag": "y"}')
    kb.refresh()
    assert reasons(kb) == {"a.md.meta.json and a.md.meta.yaml": "They disagree on tag; keep one of them."}
    assert field(kb, "tag") == {"a.md": "x"}
    (kb.documents / "a.md.meta.yaml").unlink()
    kb.refresh()
    assert (reasons(kb), field(kb, "tag")) == ({}, {"a.md": "y"})


def test_a_manifest_is_read_as_a_spreadsheet_saves_it_and_bad_rows_are_named(kb: TestSite) -> None:
    kb.reopen(fields=DECLARED, sources=source(kb, manifests=["m/index.csv"]))
    kb.write("a.md", "A passage.\n")
    kb.write("b.md", "Another passage.\n")
    kb.write("m/index.csv", "路径;Tag;date\na.md;财务部门的合同与发票;2024/3/1\nb.md;x;2024-01-01\n".encode("gb18030"))
    kb.refresh()
    assert field(kb, "tag") == {"a.md": "财务部门的合同与发票", "b.md": "x"}
    kb.write("m/index.csv", "path,tag,date\na.md,y,someday\nb.md,z,2024-02-01\n")
    counts = kb.refresh()
    assert (counts["described"], counts["sidecars_failed"]) == (1, 1)
    assert field(kb, "tag") == {"a.md": "财务部门的合同与发票", "b.md": "z"}
    assert "row 2" in reasons(kb)["m/index.csv"]
    kb.write("m/index.csv", "path,tag\n" + "a.md,x\n" * 1_500_000)
    kb.refresh()
    assert "larger than 8 MiB" in reasons(kb)["m/index.csv"]
    assert field(kb, "tag")["b.md"] == "z"
    (kb.documents / "m/index.csv").unlink()
    kb.refresh()
    assert (reasons(kb), set(field(kb, "tag").values())) == ({}, {None})


def test_personal_data_in_sidecars_is_masked_and_found_by_what_it_was(kb: TestSite) -> None:
    kb.reopen(
        fields={"contact": "text", "phones": "list of text", "born": "date", "tag": "text"},
        collections={"open": {"privacy": {"entities": {"CN_MOBILE": "keep"}}}},
    )
    secret = {"contact": "王伟", "phones": ["13812345678", "none"], "tag": "A-17"}
    for folder in ("shut", "open"):
        kb.write(f"{folder}/a.md", f"What stands {folder}.\n")  # passages of one text would be one hit
        kb.write(f"{folder}/a.md.meta.json", json.dumps(secret))
    kb.write("shut/王伟 劳动合同.md", "His passage.\n")
    kb.write("shut/王伟 劳动合同.md.meta.yaml", "tag: his\n")
    kb.refresh()
    stored = "".join(
        str(kb.connection.execute(f"SELECT * FROM {table}".encode()).fetchall())  # noqa: S608
        for table in ("sidecars", "document_fields")
    )
    assert "王伟" not in stored
    assert stored.count("13812345678") == 2  # where the policy keeps it
    assert found(kb, "contact = '王伟'") == {"shut/a.md", "open/a.md"}
    assert found(kb, "phones = '13812345678'") == {"shut/a.md", "open/a.md"}
    assert found(kb, "phones in ('13812345678') and tag = 'A-17' and collection = 'shut'") == {"shut/a.md"}
    assert len(found(kb, "tag = 'his'")) == 1
    assert not plan(kb).dirty


def test_a_stricter_policy_masks_what_sidecars_said(kb: TestSite) -> None:
    kb.reopen(fields={"amount": "text"})
    kb.write("a.md", "A passage.\n")
    kb.write("a.md.meta.yaml", "amount: 人民币5万元\n")
    kb.refresh()
    kb.write("b.md", "Another passage.\n")
    kb.write("b.md.meta.yaml", "amount: 人民币5万元\n")
    kb.write("c.md", "A third passage.\n")
    kb.write("m.csv", "path,amount\nc.md,人民币5万元\n")
    kb.reopen(sources=source(kb, manifests=["m.csv"]))
    kb.refresh()
    assert set(field(kb, "amount").values()) == {"人民币5万元"}
    kb.write("b.md.meta.yaml", "amount: [")
    kb.write("m.csv", "none\n")
    kb.refresh()
    kb.reopen(privacy={"preset": "strict"})
    kb.refresh()
    assert len(reasons(kb)) == 2
    assert all(value.startswith("<AMOUNT_") for value in field(kb, "amount").values())
    for table in ("sidecars", "manifest_rows"):
        stored = kb.connection.execute(f"SELECT given FROM {table}".encode()).fetchall()  # noqa: S608
        assert "5万" not in str(stored)


def test_a_run_that_is_ended_before_documents_follow_is_made_up_for(
    kb: TestSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    kb.reopen(fields={"tag": "text", "row": "text"}, sources=source(kb, manifests=["m.csv"]))
    kb.write("a.md", "A passage.\n")
    kb.refresh()

    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    def refresh_twice() -> dict[str, Any]:
        with monkeypatch.context() as patched:
            patched.setattr("kb_pipeline.stages.fields.describe_all", ended)
            with pytest.raises(KeyboardInterrupt):
                kb.refresh()
        assert plan(kb).dirty
        kb.refresh()
        assert not plan(kb).dirty
        return {name: field(kb, name)["a.md"] for name in ("tag", "row")}

    kb.write("a.md.meta.yaml", "tag: x\n")
    kb.write("m.csv", "path,row\na.md,y\n")
    assert refresh_twice() == {"tag": "x", "row": "y"}
    (kb.documents / "a.md.meta.yaml").unlink()
    kb.write("m.csv", "path,row\n")
    assert refresh_twice() == {"tag": None, "row": None}
    kb.write("m.csv", "path,row\na.md,y\n")
    kb.refresh()
    (kb.documents / "m.csv").unlink()
    assert refresh_twice() == {"tag": None, "row": None}


def test_an_unknown_field_is_answered_with_the_known_ones(kb: TestSite) -> None:
    kb.reopen(fields=DECLARED)
    kb.write("a.md", "A passage.\n")
    kb.refresh()
    with pytest.raises(SettingsError, match=r"no column tags; the columns are source_file.*tag, date, amount"):
        found(kb, "tags = 'x'")
    for where, words in (
        ("date > 3", "expected a date"),
        ("amount = 'x'", "with a number"),
        ("draft = 'x'", "true or false"),
        ("groups > 'a'", "is a list"),
        ("groups like 'a'", "not a text"),
    ):
        with pytest.raises(SettingsError, match=words):
            found(kb, where)


def test_the_readers_of_the_view_keep_their_rights_when_it_loses_a_column(kb: TestSite) -> None:
    kb.reopen(fields=DECLARED)
    kb.write("a.md", "A passage.\n")
    kb.refresh()
    kb.connection.execute("GRANT SELECT ON knowledge_chunks TO PUBLIC")
    kb.reopen(fields={"tag": "text"})
    kb.refresh()
    granted = "SELECT has_table_privilege('pg_monitor', 'knowledge_chunks', 'SELECT')"
    assert kb.connection.execute(granted).fetchone() == (True,)
    kb.connection.execute("CREATE VIEW mine AS SELECT tag FROM knowledge_chunks")
    kb.reopen(fields={})
    with pytest.raises(SettingsError, match="view of your own"):
        kb.refresh()

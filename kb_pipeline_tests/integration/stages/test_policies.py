"""What a changed policy does to what is stored."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kb_pipeline.errors import SettingsError
from kb_pipeline.operations.ingest import plan
from kb_pipeline.operations.privacy import rekey
from kb_pipeline.operations.search import search
from kb_pipeline.privacy.key import KEY_FILE
from kb_pipeline.privacy.pseudonyms import PSEUDONYM
from kb_pipeline.search.request import SearchRequest
from kb_pipeline.stages.planning import make_plan
from kb_pipeline.store import ledger
from kb_pipeline_tests.sites import TestSite

FEE = "# 收费\n\n年费为 3,000 元，由支行收取。\n"
PHONE = "# 联系\n\n联系电话 13800138000，随时接听。\n"
KEEP_AMOUNTS = {"preset": "default"}
STRICT = {"preset": "strict"}


def test_a_stricter_policy_masks_what_is_stored_and_reads_no_file(kb: TestSite) -> None:
    kb.reopen(privacy=KEEP_AMOUNTS)
    kb.write("a.md", FEE)
    kb.write("b.md", PHONE)
    kb.refresh()
    assert "3,000 元" in kb.contents()["a.md"]
    unread = [kb.documents / name for name in ("a.md", "b.md")]
    contents = [file.read_bytes() for file in unread]
    times = [file.stat().st_mtime_ns for file in unread]
    for file, content, time in zip(unread, contents, times, strict=True):
        file.write_bytes(b"#" * len(content))  # nobody notices: size and time are the same
        os.utime(file, ns=(time, time))
    kb.reopen(privacy=STRICT)
    counts = kb.refresh()
    assert (counts["masked_further"], counts["texts_embedded"], counts["failed"]) == (2, 1, 0)
    assert "3,000" not in kb.contents()["a.md"]
    assert "AMOUNT" in kb.contents()["a.md"]
    assert kb.count("elements") == 2
    assert kb.count("embeddings") == 2
    assert kb.dirty() == 0


def test_a_looser_policy_reads_the_files_again(kb: TestSite) -> None:
    kb.reopen(privacy=STRICT)
    kb.write("a.md", FEE)
    kb.refresh()
    assert "3,000" not in kb.contents()["a.md"]
    kb.reopen(privacy=KEEP_AMOUNTS)
    counts = kb.refresh()
    assert (counts["masked_further"], counts["documents"]) == (0, 1)
    assert "3,000 元" in kb.contents()["a.md"]


def test_another_key_gives_every_value_another_pseudonym(kb: TestSite) -> None:
    kb.write("a.md", PHONE)
    kb.refresh()
    before = PSEUDONYM.findall(kb.contents()["a.md"])
    kb.reopen(privacy_key="ab" * 32)
    rekey(kb.site)
    kb.refresh()
    after = PSEUDONYM.findall(kb.contents()["a.md"])
    assert len(before) == len(after) == 1
    assert before != after


def test_a_home_with_another_key_is_refused_and_changes_nothing(kb: TestSite, home: Path) -> None:
    kb.write("a.md", PHONE)
    kb.refresh()
    before = kb.contents()
    kb.reopen(privacy_key="ab" * 32)
    for command in (kb.refresh, lambda: search(kb.site, SearchRequest("13800138000")), lambda: plan(kb.site, None)):
        with pytest.raises(SettingsError, match=r"is not the one.*KB_PRIVACY_KEY.*kb privacy rekey.*\.$"):
            command()
    assert kb.contents() == before
    kb.reopen(privacy_key=None)
    assert kb.refresh()["documents"] == 0
    assert search(kb.site, SearchRequest("13800138000", mode="lexical")).hits


def test_a_lost_key_is_not_replaced_by_a_new_one_unless_that_is_meant(kb: TestSite, home: Path) -> None:
    kb.write("a.md", PHONE)
    kb.refresh()
    lost = (home / KEY_FILE).rename(home / "elsewhere")
    kb.reopen()
    with pytest.raises(SettingsError, match=r"There is no .*privacy\.key.*restore.*kb privacy rekey"):
        search(kb.site, SearchRequest("13800138000"))
    assert not (home / KEY_FILE).exists()
    lost.rename(home / KEY_FILE)
    kb.reopen()
    assert search(kb.site, SearchRequest("13800138000", mode="lexical")).hits
    lost.unlink(missing_ok=True)
    (home / KEY_FILE).unlink()
    kb.reopen()
    assert rekey(kb.site).documents == 1
    kb.reopen()
    assert kb.refresh()["documents"] == 1
    assert search(kb.site, SearchRequest("13800138000", mode="lexical")).hits
    assert rekey(kb.site).documents == 0


def test_looking_at_an_empty_database_does_not_bind_it_to_a_key(kb: TestSite) -> None:
    assert search(kb.site, SearchRequest("anything")).hits == ()
    kb.reopen(privacy_key="ab" * 32)
    kb.write("a.md", PHONE)
    kb.refresh()
    kb.reopen(privacy_key=None)
    with pytest.raises(SettingsError, match="rekey"):
        kb.refresh()


def test_collections_have_policies_of_their_own_and_queries_are_looked_up_by_each(kb: TestSite) -> None:
    kb.reopen(privacy=STRICT, collections={"products": {"privacy": KEEP_AMOUNTS}})
    kb.write("products/fees.md", FEE)
    kb.write("contracts/fees.md", FEE.replace("支行", "总行"))
    kb.refresh()
    assert "3,000 元" in kb.contents()["products/fees.md"]
    assert "3,000" not in kb.contents()["contracts/fees.md"]
    found = search(kb.site, SearchRequest("年费 ￥3000.00 是多少", mode="lexical"))
    assert {hit.source_file for hit in found.hits} == {"products/fees.md", "contracts/fees.md"}
    assert "3000" not in found.query
    logged = kb.connection.execute("SELECT query FROM search_events").fetchall()
    assert not any("3000" in query for (query,) in logged)


def test_a_policy_for_a_collection_that_no_source_has_names_those_there_are(kb: TestSite) -> None:
    kb.reopen(collections={"product": {"privacy": KEEP_AMOUNTS}})
    kb.write("products/fees.md", FEE)
    (said,) = make_plan(kb.connection, kb.site.settings, kb.site.scope(), kb.site.names).notes
    assert said.startswith("The settings give a privacy policy to product, but no source has such a collection;")
    assert said.endswith("these is meant: products.")
    assert kb.refresh()["chunks_written"] == 1


def test_a_value_in_a_name_is_stored_as_a_pseudonym_and_its_file_is_still_read(kb: TestSite) -> None:
    kb.write("客户/张伟先生_13800138000.md", PHONE)
    kb.write("客户/138-0013-8000.md", FEE)
    kb.refresh()
    names = [row["source_file"] for row in kb.rows()]
    assert len(set(names)) == 2
    assert not any("138" in PSEUDONYM.sub("", name) or "张伟" in name for name in names)
    counts = kb.refresh()
    assert (counts["new"], counts["changed"], counts["moved"], counts["deleted"]) == (0, 0, 0, 0)
    kb.write("客户/138-0013-8000.md", FEE + "\n新增一段说明文字。\n")
    assert kb.refresh()["changed"] == 1
    assert any("新增一段" in text for text in kb.contents().values())
    (kb.documents / "客户/138-0013-8000.md").unlink()
    assert kb.refresh()["deleted"] == 1


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("source_file = '客户/张伟先生_13800138000.md'", PHONE),
        ("source_file like '%张伟%'", PHONE),
        ("source_file not like '%张伟%'", FEE),
        ("source_file in ('客户/138-0013-8000.md', 'x.md')", FEE),
        ("collection = '客户' and source_file <> '客户/138-0013-8000.md'", PHONE),
    ],
)
def test_a_filter_by_the_name_of_a_file_finds_it_as_it_is_written(kb: TestSite, where: str, found: str) -> None:
    kb.write("客户/张伟先生_13800138000.md", PHONE)
    kb.write("客户/138-0013-8000.md", FEE)
    kb.refresh()
    (hit,) = search(kb.site, SearchRequest("联系 年费", mode="lexical", where=where)).hits
    assert hit.content.split("，")[1] == found.strip().split("，")[1]


def test_names_are_looked_at_again_when_the_policy_changes(kb: TestSite) -> None:
    kb.reopen(privacy={"entities": {"CN_MOBILE": "keep"}})
    kb.write("13800138000.md", FEE)
    kb.refresh()
    kb.refresh()
    assert [row["source_file"] for row in kb.rows()] == ["13800138000.md"]
    kb.reopen(privacy={})
    counts = kb.refresh()
    assert (counts["moved"], counts["new"], counts["deleted"]) == (1, 0, 0)
    assert not any("138" in row["source_file"] for row in kb.rows() if not PSEUDONYM.search(row["source_file"]))
    assert ledger.count_documents(kb.connection) == 1


def test_a_query_with_a_word_and_a_number_finds_the_passage_with_its_pseudonym_first(kb: TestSite) -> None:
    kb.write("a.md", "# 值班\n\n值班电话 13800138000，全天接听。\n")
    for number in range(20):
        kb.write(
            f"{number}.md",
            f"# 电话{number}\n\n电话银行第 {number} 条：电话号码变更应当到柜面办理，电话 1390013{number:04}。\n",
        )
    kb.refresh()
    for query in ("电话 13800138000", "+86 138-0013-8000", "联系电话：13800138000"):
        found = search(kb.site, SearchRequest(query, mode="lexical", k=3))
        assert found.hits[0].source_file == "a.md", query


def test_a_result_shows_no_pseudonym_that_none_of_its_hits_has(kb: TestSite) -> None:
    kb.write("a.md", PHONE)
    kb.refresh()
    found = search(kb.site, SearchRequest("电话 13800138000", mode="lexical"))
    assert PSEUDONYM.findall(found.query) == PSEUDONYM.findall(found.hits[0].content)
    other = search(kb.site, SearchRequest("电话 13900139000", mode="lexical"))
    assert (len(other.hits), other.query) == (1, "电话 <CN_MOBILE>")
    phrase = search(kb.site, SearchRequest('"13900139000"', mode="lexical"))
    assert phrase.note is not None
    assert "No passage says <CN_MOBILE>," in phrase.note.text

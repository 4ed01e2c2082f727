"""The sensor that tells a webhook, tick by tick, against a real receiver, instance, database and folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from kb_pipeline.definitions import defs
from kb_pipeline.defs.partitions import range_tags
from kb_pipeline.defs.resources.knowledge_base import KnowledgeBaseResource
from kb_pipeline_tests.alert_receiver import SECRET_PATH, AlertReceiver, alert_receiver

if TYPE_CHECKING:
    from kb_pipeline_tests.integration.defs.conftest import Workplace

TEXT = "Quokka"  # stands in every document, and in no message


@pytest.fixture
def receiver(site: Workplace, monkeypatch: pytest.MonkeyPatch) -> Iterator[AlertReceiver]:
    with alert_receiver() as receiver:
        monkeypatch.setenv("KB_ALERTS__WEBHOOK_URL", receiver.url)
        yield receiver


def tick(site: Workplace) -> str:
    """What the tick says; what it raises is what makes it red."""
    resources = {"knowledge_base": KnowledgeBaseResource()}
    with dg.build_sensor_context(instance=site.instance, definitions=defs, resources=resources) as context:
        result = defs.resolve_sensor_def("alerts").evaluate_tick(context)
    assert not result.run_requests
    return result.skip_message or ""


def may_tell_again(site: Workplace) -> None:
    """As if the time between two messages had passed."""
    site.sql("UPDATE alert_delivery SET not_before = '-infinity'")


def break_files(site: Workplace, *names: str) -> None:
    for name in names:
        site.write(name, f"%PDF-1.7 {TEXT}, and nothing of a PDF")
    site.run()


def alerts_of(message: dict[str, Any]) -> dict[str, Any]:
    assert TEXT not in json.dumps(message)
    found: dict[str, Any] = message["alerts"]
    return found


def test_without_a_webhook_nothing_is_looked_at(site: Workplace) -> None:
    site.sql("DROP TABLE told_alerts")
    assert "No webhook is set" in tick(site)


def test_documents_that_failed_are_told_in_one_message_and_once(site: Workplace, receiver: AlertReceiver) -> None:
    site.write("good.md", f"# Good\n\n{TEXT}.")
    assert tick(site).startswith("Nothing new to tell")
    break_files(site, "contracts/a.pdf", "b.pdf")
    assert "Told 127.0.0.1 of 3 new." in tick(site)  # the check of the share of failures is the third
    (message,) = receiver.messages
    assert alerts_of(message)["documents"] == {
        "new": 2,
        "all": 2,
        "notes": {"MalformedDocument": 2},
        "examples": ["b.pdf", "contracts/a.pdf"],
    }
    assert alerts_of(message)["checks"]["examples"] == ["cleaned_elements: failure_rate"]
    assert message["links"] == {"Overview": "http://127.0.0.1:8756/#/overview", "Dagster": "http://127.0.0.1:3000"}
    may_tell_again(site)
    assert tick(site) == "Nothing new to tell; 3 known conditions last."
    assert len(receiver.messages) == 1


def test_what_comes_soon_after_a_message_waits_and_is_told_together(site: Workplace, receiver: AlertReceiver) -> None:
    break_files(site, "a.pdf")
    tick(site)
    break_files(site, "b.pdf")
    break_files(site, "c.pdf")
    assert "2 new to tell; the next message goes at" in tick(site)
    may_tell_again(site)
    tick(site)
    assert alerts_of(receiver.messages[-1])["documents"] | {"examples": []} == {
        "new": 2,
        "all": 3,
        "notes": {"MalformedDocument": 2},
        "examples": [],
    }


def test_what_was_mended_and_breaks_again_is_told_again(site: Workplace, receiver: AlertReceiver) -> None:
    break_files(site, "a.pdf")
    tick(site)
    (site.folder / "a.pdf").unlink()
    site.run()
    may_tell_again(site)
    assert tick(site) == "Nothing new to tell; 0 known conditions last."
    break_files(site, "a.pdf")
    tick(site)
    assert [alerts_of(message)["documents"]["new"] for message in receiver.messages] == [1, 1]


def test_deletions_that_are_held_are_told(
    site: Workplace, receiver: AlertReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KB_MASS_DELETE_COUNT", "1")
    for number in range(4):
        site.write(f"{number}.txt", f"{TEXT} {number}.")
    site.run()
    for number in range(3):
        (site.folder / f"{number}.txt").unlink()
    site.skip_reason()
    tick(site)
    (message,) = receiver.messages
    assert alerts_of(message) == {
        "deletions": {"new": 1, "all": 1, "notes": {"3 files are gone": 1}, "examples": [str(site.folder)]}
    }
    for number in range(3):
        site.write(f"{number}.txt", f"{TEXT} {number}.")
    site.tick()
    may_tell_again(site)
    assert tick(site) == "Nothing new to tell; 0 known conditions last."


def test_a_job_whose_last_run_failed_is_told_until_one_succeeds(site: Workplace, receiver: AlertReceiver) -> None:
    run = site.instance.create_run_for_job(defs.resolve_job_def("refresh"), tags=range_tags("0", "f"))
    site.instance.report_run_failed(run)
    tick(site)
    assert alerts_of(receiver.messages[0])["runs"]["examples"] == ["refresh"]
    site.run()
    may_tell_again(site)
    assert tick(site) == "Nothing new to tell; 0 known conditions last."


def test_a_run_that_is_at_work_is_waited_for_but_not_for_ever(
    site: Workplace, receiver: AlertReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_files(site, "a.pdf")
    site.instance.create_run_for_job(
        defs.resolve_job_def("refresh"), tags=range_tags("0", "f"), status=dg.DagsterRunStatus.STARTED
    )
    assert "what it leaves is told at its end" in tick(site)
    monkeypatch.setattr("kb_pipeline.defs.alerts.time.time", lambda: 4e9)
    tick(site)
    assert len(receiver.messages) == 1


@pytest.mark.parametrize("fault", ["500", "redirect"])
def test_a_receiver_that_fails_makes_the_tick_red_and_is_tried_again_later(
    site: Workplace, receiver: AlertReceiver, fault: str
) -> None:
    break_files(site, "a.pdf")
    receiver.faults.extend([fault, fault])
    rests = []
    for _ in range(2):
        may_tell_again(site)
        with pytest.raises(dg.Failure) as raised:
            tick(site)
        assert SECRET_PATH not in str(raised.value.description)
        rests += site.sql(
            "SELECT attempts, round(extract(epoch FROM not_before - now()) / 60)::int FROM alert_delivery"
        )
    assert rests == [(1, 1), (2, 2)]
    assert "The receiver of alerts at 127.0.0.1" in tick(site)  # it waits, and says for what
    assert receiver.requests == [SECRET_PATH, SECRET_PATH]
    may_tell_again(site)
    assert "Told 127.0.0.1" in tick(site)
    assert site.sql("SELECT attempts, problem FROM alert_delivery") == [(0, None)]


def test_kinds_that_were_not_chosen_are_not_told(
    site: Workplace, receiver: AlertReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KB_ALERTS__KINDS", '["checks"]')
    break_files(site, "a.pdf")
    tick(site)
    assert set(alerts_of(receiver.messages[0])) == {"checks"}

"""Delivering a message to receivers that behave and that do not."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from kb_pipeline.alerts.webhook import deliver, reach
from kb_pipeline.errors import AlertReceiverUnavailable
from kb_pipeline_tests.alert_receiver import SECRET_PATH, AlertReceiver, alert_receiver


@pytest.fixture
def receiver() -> Iterator[AlertReceiver]:
    with alert_receiver() as receiver:
        yield receiver


def test_a_message_arrives_as_json(receiver: AlertReceiver) -> None:
    for form in ("json", "slack", "feishu", "dingtalk", "wecom"):
        deliver(receiver.url, {"text": "文档 failed", "form": form}, form)
    assert [message["form"] for message in receiver.messages] == ["json", "slack", "feishu", "dingtalk", "wecom"]
    assert receiver.messages[0]["text"] == "文档 failed"


@pytest.mark.parametrize(
    ("fault", "form", "said"),
    [
        ("500", "json", "answered 500"),
        ("redirect", "json", "redirects (307), which is not followed"),
        ("hang", "json", "did not answer in time"),
        ("trickle", "json", "did not answer in time"),
        ("refused", "feishu", "refused the message with its code 19024"),
        ("refused", "dingtalk", "refused the message with its code 310000"),
        ("html", "wecom", "refused the message with its code -1"),
    ],
)
def test_a_receiver_that_does_not_take_it_is_named_and_its_address_is_not(
    receiver: AlertReceiver, fault: str, form: Any, said: str
) -> None:
    receiver.faults.append(fault)
    seconds = 0.3 if fault in ("hang", "trickle") else 15.0
    with pytest.raises(AlertReceiverUnavailable) as raised:
        deliver(receiver.url, {"text": "T"}, form, seconds=seconds)
    assert said in str(raised.value)
    assert SECRET_PATH not in str(raised.value)
    assert receiver.messages == []
    assert receiver.requests == [SECRET_PATH]


def test_nobody_there_is_said_by_asking_and_by_sending() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/hooks/secret"
    refused = r"cannot be reached \(ConnectionRefusedError\)"
    with pytest.raises(AlertReceiverUnavailable, match=refused):
        reach(url)
    with pytest.raises(AlertReceiverUnavailable, match=refused):
        deliver(url, {}, "json")


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "100.100.100.200", "0", "224.0.0.1"]
)
def test_where_a_cloud_gives_away_credentials_nothing_is_sent(host: str) -> None:
    with pytest.raises(AlertReceiverUnavailable, match="that nothing is sent to"):
        reach(f"http://{host}/latest")
    with pytest.raises(AlertReceiverUnavailable, match="that nothing is sent to"):
        deliver(f"http://{host}/latest", {}, "json")


def test_the_proxy_of_the_environment_is_asked_for_what_is_not_this_machine(
    receiver: AlertReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", receiver.url.removesuffix(SECRET_PATH))
    deliver("http://hooks.example.com/a", {"text": "T"}, "json")
    assert receiver.requests == ["http://hooks.example.com/a"]
    deliver(receiver.url, {"text": "T"}, "json")
    assert receiver.requests[1:] == [SECRET_PATH]

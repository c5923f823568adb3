"""Messages on their way: a webhook, Discord and ntfy, played by a server of this machine."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.errors import ConfigurationError, InterruptedRunError, UsageError
from ironforge_cli.tell.addresses import AddressKind, DeliveryAddress, address_of, addresses_in, all_addresses
from ironforge_cli.tell.alerts import Alert, Digest
from ironforge_cli.tell.deliveries import Sender, UndeliveredError, most_letters, require_possible, seconds_to_wait
from tests.clocks import TickingClock
from tests.tell.receivers import DISCORD, Receiver, receiving

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

NOW = datetime(2026, 1, 14, 12, tzinfo=UTC)
ALERT = Alert(
    "Érz, EU: min_price 12g, below 13g", NOW, "min_price 14 below 130000", "eu", 14, 120_000, 130_000, "fired", "Érz"
)
DIGEST = Digest((Alert("EU: data are stale.", NOW, reason="stale"), ALERT), NOW)


@pytest.fixture(scope="module")
def receiver() -> Generator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock(NOW)


def to(receiver: Receiver, path: str, *, kind: str = "") -> DeliveryAddress:
    return address_of(f"{kind}{receiver.url}{path}", place="test")


def test_a_webhook_gets_json_with_the_keys_of_the_command(receiver: Receiver, clock: TickingClock) -> None:
    Sender(clock).send(to(receiver, "/hook?key=secret"), DIGEST)
    (document,) = receiver.documents("/hook?key=secret")
    assert document["title"] == "ironforge: 1 alert, 1 notice"
    assert document["text"] == "EU: data are stale.\nÉrz, EU: min_price 12g, below 13g"
    (alert,) = document["alerts"]
    assert list(alert)[:7] == ["rule", "region", "item_id", "value", "threshold", "fired", "reason"]
    assert (alert["value"], alert["fired"], alert["at"]) == (120_000, True, "2026-01-14T12:00:00Z")
    assert [notice["reason"] for notice in document["notices"]] == ["stale"]


def test_discord_is_known_by_its_path_and_waited_for_as_it_asks(receiver: Receiver, clock: TickingClock) -> None:
    receiver.says(DISCORD, (429, {"Retry-After": "1.5"}), (503, {"Retry-After": "2"}))
    Sender(clock).send(to(receiver, DISCORD), DIGEST)
    assert clock.slept == [1.5, 2]
    first, *again = receiver.documents(DISCORD)
    assert again == [first, first]
    assert first["content"].startswith("**ironforge: 1 alert, 1 notice**\nEU: data")
    assert first["allowed_mentions"] == {"parse": []}


def test_ntfy_gets_a_title_and_a_text(receiver: Receiver, clock: TickingClock) -> None:
    address = address_of(f"ntfy+{receiver.url.replace('//', '//me:pass@')}/topic", place="test")
    Sender(clock).send(address, DIGEST)
    assert receiver.bodies["/topic"][0].decode() == DIGEST.text
    (headers,) = receiver.headers["/topic"]
    assert headers["Title"] == "ironforge: 1 alert, 1 notice"
    assert headers["Authorization"].startswith("Basic ")


def test_who_asks_for_too_long_a_wait_is_left_to_the_next_run(receiver: Receiver, clock: TickingClock) -> None:
    receiver.says("/busy", (429, {"Retry-After": "3600"}))
    with pytest.raises(UndeliveredError, match=r"it answered 429, and asks to wait 1 h") as failed:
        Sender(clock).send(to(receiver, "/busy"), DIGEST)
    assert (failed.value.retry_after, clock.slept) == (3_600, [])


def test_all_waits_of_a_run_are_bounded_together(receiver: Receiver, clock: TickingClock) -> None:
    sender = Sender(clock)
    receiver.says("/a", *[(429, {"Retry-After": "12"})] * 9)
    with pytest.raises(UndeliveredError, match="429"):
        sender.send(to(receiver, "/a"), DIGEST)
    receiver.says("/b", *[(429, {"Retry-After": "12"})] * 9)
    with pytest.raises(UndeliveredError, match="429"):
        sender.send(to(receiver, "/b"), DIGEST)
    assert clock.slept == [12, 12]
    receiver.says("/c", *[(429, {"Retry-After": "0"})] * 99)
    with pytest.raises(UndeliveredError, match="429"):
        sender.send(to(receiver, "/c"), DIGEST)
    assert len(receiver.bodies["/c"]) == 4


@pytest.mark.parametrize(
    ("answer", "headers", "told"),
    [
        (302, {"Location": "https://elsewhere.example/steal"}, "redirects"),
        (404, {}, "answered 404"),
        (500, {"Retry-After": "1"}, "answered 500"),
        (503, {}, "answered 503"),
        (429, {"Retry-After": "soon"}, "answered 429"),
    ],
)
def test_other_answers_are_failures_that_are_not_tried_again_now(
    receiver: Receiver, clock: TickingClock, answer: int, headers: dict[str, str], told: str
) -> None:
    path = f"/other/{answer}"
    receiver.says(path, (answer, headers))
    with pytest.raises(UndeliveredError, match=told):
        Sender(clock).send(to(receiver, path), DIGEST)
    assert len(receiver.bodies[path]) == 1
    assert clock.slept == []


def test_who_says_nothing_is_waited_for_no_longer_than_the_time_out(receiver: Receiver, clock: TickingClock) -> None:
    with pytest.raises(UndeliveredError, match=r"no answer (within 0.2 s|in time)"):
        Sender(clock, timeout=0.2).send(to(receiver, "/slow"), DIGEST)


def test_who_is_asked_to_end_waits_for_no_answer(receiver: Receiver) -> None:
    class Asked(TickingClock):
        """As after a signal that comes while an answer is waited for."""

        checks = 0

        def check(self) -> None:
            self.checks += 1
            if self.checks > 1:
                raise InterruptedRunError("SIGTERM")

    with pytest.raises(InterruptedRunError):
        Sender(Asked(NOW)).send(to(receiver, "/slow"), DIGEST)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/secret",
        "https://me:secret@127.0.0.1:1/secret",
        "http://no-such-host.invalid/secret",
        f"http://{'secret' * 12}.invalid/",
    ],
)
def test_what_can_not_be_reached_is_told_without_a_word_of_the_address(url: str, clock: TickingClock) -> None:
    address = address_of(url, place="test")
    with pytest.raises(UndeliveredError) as failed:
        Sender(clock).send(address, DIGEST)
    assert "secret" not in str(failed.value)
    assert failed.value.__cause__ is None


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("0", 0),
        ("-5", 0),
        ("99999999999", 86_400),
        ("nan", None),
        ("inf", None),
        ("", None),
        ("Wed, 14 Jan 2026 11:00:00 GMT", 0),
        (None, None),
    ],
)
def test_a_retry_after_is_understood_or_left_alone(given: str | None, seconds: float | None) -> None:
    assert seconds_to_wait(given, NOW) == seconds


# Addresses


@pytest.mark.parametrize(
    ("text", "kind", "masked"),
    [
        ("https://discord.com/api/webhooks/1/secret", AddressKind.DISCORD, "https://discord.com/…"),
        ("https://canary.discord.com/api/v10/webhooks/1/secret", AddressKind.DISCORD, "https://canary.discord.com/…"),
        ("https://ntfy.sh/secret", AddressKind.NTFY, "https://ntfy.sh/…"),
        ("https://ntfy.example:8443/secret", AddressKind.NTFY, "https://ntfy.example:8443/…"),
        ("ntfy+https://me:secret@host/secret", AddressKind.NTFY, "https://host/…"),
        ("discord+http://[::1]:80/secret", AddressKind.DISCORD, "http://[::1]:80/…"),
        ("JSON+https://ntfy.sh/secret", AddressKind.JSON, "https://ntfy.sh/…"),
        ("https://host.example/hook?token=secret", AddressKind.JSON, "https://host.example/…"),
        ("tgram://secret/secret", AddressKind.APPRISE, "tgram://…"),
        ("discord://secret/secret", AddressKind.APPRISE, "discord://…"),
    ],
)
def test_addresses_are_known_and_shown_without_their_secrets(text: str, kind: AddressKind, masked: str) -> None:
    address = address_of(text, place="--webhook")
    assert (address.kind, address.masked) == (kind, masked)
    assert "secret" not in repr(address)
    assert "secret" not in address.key


@pytest.mark.parametrize(
    "text",
    [
        "secret",
        "https://",
        "https:///secret",
        "https://host:secret/",
        "https://host/sec ret",
        "https://[secret/",
        "slack+https://host/secret",
        "ntfy+ftp://host/secret",
        "https://host/\x07secret",
    ],
)
def test_what_is_no_address_is_refused_without_a_word_of_it(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        address_of(text, place="--webhook")
    assert "secret" not in str(refused.value)
    assert str(refused.value).startswith("--webhook: ")


def test_addresses_come_from_files_and_each_once(tmp_path: Path) -> None:
    file = tmp_path / "webhooks"
    file.write_text("# mine\n\nhttps://a.example/1\nhttps://b.example/2\n", encoding="utf-8")
    found = all_addresses(["https://a.example/1"], [file])
    assert [address.masked for address in found] == ["https://a.example/…", "https://b.example/…"]
    file.write_text("https://a.example/1\nsecret\n", encoding="utf-8")
    with pytest.raises(UsageError, match=f"--webhook-file {file}, line 2: this is no address"):
        all_addresses([], [file])
    file.write_text("# nothing\n", encoding="utf-8")
    with pytest.raises(UsageError, match="holds no address"):
        all_addresses([], [file])
    with pytest.raises(UsageError, match="can't be read"):
        all_addresses([], [tmp_path / "none"])


def test_addresses_that_look_alike_are_told_apart_by_their_place(tmp_path: Path) -> None:
    file = tmp_path / "webhooks"
    lines = [f"https://discord.com/api/webhooks/{number}/secret" for number in (1, 2)]
    file.write_text("\n".join([*lines, "https://ntfy.sh/secret"]), encoding="utf-8")
    found = all_addresses(["https://discord.com/api/webhooks/3/secret"], [file])
    assert [address.masked for address in found] == [
        *(f"https://discord.com/… (address {number})" for number in (1, 2, 3)),
        "https://ntfy.sh/…",
    ]
    assert [address.key for address in found[1:]] == [address.key for address in addresses_in(file)]


# Long messages


def test_a_message_is_cut_between_alerts_where_it_is_too_long_for_its_reader() -> None:
    alerts = tuple(Alert(f"{number}: {'é' * 300}", NOW, rule=f"{number}") for number in range(20))
    for kind in ("discord", "ntfy"):
        most, size = most_letters(address_of(f"{kind}+https://host/", place="test"))
        parts = Digest(alerts, NOW).parts(most, size)
        assert 3 < len(parts) < 10
        assert max(size(f"{part.title}\n{part.text}") for part in parts) <= most
        assert [alert for part in parts for alert in part.alerts] == list(alerts)
    assert len(Digest(alerts, NOW).parts(*most_letters(address_of("https://host/", place="test")))) == 1
    late = Digest(alerts[:1], NOW + timedelta(hours=3))
    assert late.text.endswith("(2026-01-14 12:00 UTC)")


# apprise


def install(monkeypatch: pytest.MonkeyPatch, found: object) -> None:
    """Let the library be there, or not."""

    def find_spec(name: str) -> object:
        assert name == "apprise"
        return found

    monkeypatch.setattr("ironforge_cli.tell.deliveries.find_spec", find_spec)


def test_without_the_extra_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, None)
    with pytest.raises(ConfigurationError, match=r"^tgram://….*pip install 'ironforge-cli\[apprise\]'"):
        require_possible([address_of("tgram://secret", place="test")])
    require_possible([address_of("https://host/", place="test")])


def test_apprise_is_given_title_and_text_and_what_it_logs_is_not_heard(
    monkeypatch: pytest.MonkeyPatch, clock: TickingClock, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[tuple[str, str]] = []

    class Apprise:
        """As the library's."""

        def add(self, url: str) -> bool:
            logging.getLogger("apprise").warning("added %s", url)
            return url.startswith("tgram://")

        def notify(self, *, title: str, body: str) -> bool:
            logging.getLogger("apprise").warning("sent")
            told.append((title, body))
            return len(told) < 2

    module = ModuleType("apprise")
    setattr(module, "Apprise", Apprise)  # noqa: B010 - a made module has no such attribute
    monkeypatch.setitem(sys.modules, "apprise", module)
    install(monkeypatch, object())
    address = address_of("tgram://secret", place="test")
    require_possible([address])
    with pytest.raises(UsageError, match=r"^nonsense://… is no address"):
        require_possible([address_of("nonsense://secret", place="test")])
    Sender(clock).send(address, DIGEST)
    assert told == [(DIGEST.title, DIGEST.text)]
    with pytest.raises(UndeliveredError, match="apprise could not"):
        Sender(clock).send(address, DIGEST)
    assert caplog.text == ""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_library_itself_delivers(receiver: Receiver, clock: TickingClock) -> None:
    pytest.importorskip("apprise", reason="the extra apprise is not installed")
    address = address_of(receiver.url.replace("http", "json") + "/apprise", place="test")
    require_possible([address])
    Sender(clock).send(address, DIGEST)
    (document,) = receiver.documents("/apprise")
    assert (document["title"], document["message"]) == (DIGEST.title, DIGEST.text)

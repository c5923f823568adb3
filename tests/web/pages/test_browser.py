"""The pages in a real browser: at three widths, by keyboard alone, without JavaScript, and asking nobody else."""

from __future__ import annotations

import os
import shutil
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.web.app import create_app
from tests.answers import chain

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ironforge_cli.web.service import Service

pytestmark = pytest.mark.slow
PAGES = (
    "/eu",
    "/us/top?over=7d",
    "/eu/deals",
    "/eu/token",
    "/eu/crafts?all=1",
    "/eu/crafts/1",
    "/eu/items/12?quantity=5",
    "/eu/items/15",
    "/eu/items/12/book",
    "/eu/items/12/explain",
    "/spread",
    "/status",
    "/search?q=ore",
    "/eu/nothing",
)
WITH_PICTURES = ("/eu/items/12?quantity=5", "/eu/items/12/book", "/eu/token")
IN_THE_DARK = ("/eu", "/eu/crafts/1", "/eu/items/12?quantity=5", "/eu/items/12/explain")
LIBRARIES = "playwright.sync_api"


@pytest.fixture(scope="module")
def address(service: Service) -> Generator[str]:
    """Where the service listens over a socket."""
    import uvicorn  # noqa: PLC0415 - only these tests need a server

    server = uvicorn.Server(uvicorn.Config(create_app(service), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def chromium() -> Generator[Any]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    playwright = pytest.importorskip(LIBRARIES)
    with playwright.sync_playwright() as started:
        arguments = ["--no-sandbox"] if os.getuid() == 0 else []
        browser = started.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


class Seen:
    """A window, and what went wrong in it."""

    def __init__(self, context: Any, address: str) -> None:
        self.page = context.new_page()
        self.address = address
        self.wrong: list[str] = []
        self.page.on("request", self._asked)
        self.page.on("console", self._said)
        self.page.on("pageerror", self._failed)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(f"{self.address}/"):
            self.wrong.append(f"asked {request.url}")

    def _failed(self, error: Any) -> None:
        self.wrong.append(f"error: {error}")

    def _said(self, message: Any) -> None:
        # A page of an error is an error to the browser, too.
        if message.type in {"error", "warning"} and "404 (Not Found)" not in message.text:
            self.wrong.append(f"{message.type}: {message.text}")

    def open(self, path: str) -> None:
        self.page.goto(f"{self.address}{path}", wait_until="load")
        if path in WITH_PICTURES:
            self.page.wait_for_selector("[data-drawn] .drawing svg.marks")


@pytest.fixture
def window(chromium: Any, address: str) -> Generator[Callable[..., Seen]]:
    contexts: list[Any] = []

    def opened(width: int = 1440, **more: Any) -> Seen:
        context = chromium.new_context(viewport={"width": width, "height": 900}, **more)
        contexts.append(context)
        return Seen(context, address)

    yield opened
    for context in contexts:
        context.close()


def settled(page: Any) -> None:
    """Wait until nothing moves."""
    page.evaluate("document.getAnimations().forEach(one => one.finish())")


@pytest.mark.parametrize(("scheme", "width", "pages"), [("light", 1440, PAGES), ("dark", 360, IN_THE_DARK)])
def test_no_page_is_without_reach_for_anybody_or_asks_another_host(
    window: Callable[..., Seen], scheme: str, width: int, pages: tuple[str, ...]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    seen = window(width, color_scheme=scheme)
    found: dict[str, str] = {}
    for path in pages:
        seen.open(path)
        settled(seen.page)
        results = axe.Axe().run(seen.page, options={"resultTypes": ["violations"]})
        if results.violations_count:
            found[path] = results.generate_report()
    assert not found
    assert not seen.wrong


@pytest.mark.parametrize("width", [360, 800, 1440])
def test_no_page_is_wider_than_its_window(window: Callable[..., Seen], width: int) -> None:
    seen = window(width)
    for path in PAGES:
        seen.open(path)
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width, path
        # What is wider stands in a frame of its own that scrolls, and can be reached.
        assert seen.page.evaluate("[...document.querySelectorAll('.scroll')].every(one => one.tabIndex === 0)"), path


def test_the_keyboard_alone_reaches_everything(window: Callable[..., Seen]) -> None:
    seen = window()
    page = seen.page
    seen.open("/eu")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    seen.open("/eu/items/12")
    reached: list[str] = []
    for _ in range(120):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            "(one => [one.tagName, one.textContent.trim().slice(0, 20), getComputedStyle(one).outlineStyle])"
            "(document.activeElement)"
        )
        if focused[0] == "BODY":
            break
        assert focused[2] != "none", focused
        reached.append(f"{focused[0]} {focused[1]}")
    assert "SUMMARY Market value" in reached
    assert "BUTTON Reckon" in reached
    page.locator("summary", has_text="Usual price").focus()
    page.keyboard.press("Enter")
    assert page.get_by_text("The median of the last 14 closed days").is_visible()
    # A slash leads to the search, and what is chosen of what it proposes to the item.
    page.locator("body").press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type("drac")
    page.wait_for_selector("#suggestions option[value='Dracothyst R1 (12)']", state="attached")
    page.locator("#q").fill("Dracothyst R2 (13)")
    page.wait_for_url("**/eu/items/13")
    assert not seen.wrong


def test_without_javascript_a_page_says_it_all(window: Callable[..., Seen]) -> None:
    seen = window(java_script_enabled=False)
    page = seen.page
    page.goto(f"{seen.address}/eu/items/12")
    assert page.get_by_text("The picture is drawn by JavaScript").is_visible()
    assert page.locator("text=30 min ago").first.is_visible()
    page.locator("summary", has_text="As a table").click()
    assert page.get_by_role("region", name="History, as a table").locator("tbody tr").count() > 100
    page.fill("[name=quantity]", "5")
    page.click("text=Reckon")
    assert page.get_by_text("the cheapest afterwards is").is_visible()
    page.fill("#q", "draconium")
    page.keyboard.press("Enter")
    page.click("text=Draconium Ore")
    assert page.locator("h1").inner_text().startswith("Draconium Ore")
    assert not seen.wrong


def test_a_picture_is_drawn_in_the_colours_of_the_window_with_a_word_for_whoever_does_not_see_it(
    window: Callable[..., Seen],
) -> None:
    colours: list[str] = []
    for scheme in ("light", "dark"):
        seen = window(800, color_scheme=scheme)
        seen.open("/eu/items/12?quantity=5")
        drawn = seen.page.locator(".drawing svg.marks")
        said = seen.page.locator(".drawing[role=graphics-document]").get_attribute("aria-label")
        assert said == "Item 12 in EU: price and units sold over time"
        colours.append(seen.page.locator(".drawing .mark-line path[stroke]").first.get_attribute("stroke"))
        assert drawn.bounding_box()["width"] > 600
        assert not seen.wrong
    assert colours[0] != colours[1]


def test_times_and_the_week_are_those_of_the_viewers_zone(window: Callable[..., Seen]) -> None:
    seen = window(timezone_id="Asia/Tokyo")
    seen.open("/status")
    assert seen.page.get_by_text(f"{chain.NEWEST:%Y-%m-%d} 21:03").first.is_visible()
    assert seen.page.get_by_text("Asia/Tokyo").first.is_visible()
    seen.open("/eu/items/12?quantity=5")
    seen.page.wait_for_selector("text=over 4 weeks, Asia/Tokyo")
    assert not seen.wrong


def test_a_click_on_a_head_sorts_with_what_is_unknown_last(window: Callable[..., Seen]) -> None:
    seen = window()
    seen.open("/eu/crafts?all=1")
    head = seen.page.get_by_role("button", name="Profit", exact=True)
    for order in ("descending", "ascending"):
        head.click()
        assert seen.page.locator("th", has=head).get_attribute("aria-sort") == order
        place = seen.page.evaluate("[...document.querySelectorAll('thead th')].findIndex(one => one.ariaSort)")
        values = seen.page.evaluate(
            f"[...document.querySelectorAll('tbody tr')].map(row => row.cells[{place}].dataset.value)"
        )
        known = [float(one) for one in values if one]
        assert known == sorted(known, reverse=order == "descending")
        assert len(known) < len(values)
        assert all(values[: len(known)])
    assert not seen.wrong


def test_reduced_motion_and_print_are_heard(window: Callable[..., Seen]) -> None:
    seen = window(reduced_motion="reduce")
    seen.open("/eu")
    first = "getComputedStyle(document.querySelector('.top li a'))"
    assert seen.page.evaluate(f"{first}.transitionDuration") == "0s"
    seen.page.emulate_media(media="print")
    assert seen.page.evaluate("getComputedStyle(document.querySelector('.top')).display") == "none"
    assert seen.page.locator("h1").is_visible()

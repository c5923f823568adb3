"""The proxies' files of the documentation, before the service: TLS, limits, and what is kept as the headers say."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPSConnection
from typing import TYPE_CHECKING, Any

import pytest

from tests.documentation import PAGES
from tests.test_documentation import read
from tests.web.conftest import listening_at

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ironforge_cli.web.service import Service

pytestmark = pytest.mark.slow
NAME = "prices.example.org"
PROXIES = PAGES / "proxies"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def port(service: Service) -> Generator[int]:
    """Where the service listens, as `ironforge serve --trusted-proxy 127.0.0.1` does."""
    with listening_at(service) as at:
        yield at


class Proxy:
    """A proxy that runs, and how it is asked."""

    def __init__(self, process: subprocess.Popen[bytes], http: int, https: int) -> None:
        self.process, self.http, self.https = process, http, https
        self.trust = ssl.create_default_context()
        # Its certificate is of this test's own making.
        self.trust.check_hostname = False
        self.trust.verify_mode = ssl.CERT_NONE

    def get(
        self, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> tuple[int, Any, bytes]:
        connection = HTTPSConnection("127.0.0.1", self.https, context=self.trust, timeout=20)
        # The name that TLS is asked for decides which site answers.
        connection.sock = self.trust.wrap_socket(
            socket.create_connection(("127.0.0.1", self.https), 20), server_hostname=NAME
        )
        given = {"Host": NAME, **{name.replace("_", "-"): value for name, value in headers.items()}}
        try:
            connection.request(method, path, body=body, headers=given)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()


def started(command: list[str], http: int, https: int) -> Proxy:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    for _ in range(500):
        assert process.poll() is None, command
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", https)) == 0:
                return Proxy(process, http, https)
        time.sleep(0.02)
    raise AssertionError(f"{command[0]} does not listen")


@pytest.fixture(scope="module")
def nginx(port: int, tmp_path_factory: pytest.TempPathFactory) -> Generator[Proxy]:
    program, openssl = shutil.which("nginx", path="/usr/sbin:/usr/bin"), shutil.which("openssl")
    if program is None or openssl is None:
        pytest.skip("nginx or openssl is not installed (Debian: apt-get install nginx openssl)")
    folder: Path = tmp_path_factory.mktemp("nginx")
    certificate = f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={NAME} -keyout key.pem -out cert.pem"
    subprocess.run([openssl, *certificate.split()], check=True, capture_output=True, cwd=folder)
    http, https = free_port(), free_port()
    site = read(PROXIES / "nginx.conf")
    for written, here in {
        "127.0.0.1:8420": f"127.0.0.1:{port}",
        "listen 80;": f"listen 127.0.0.1:{http};",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{https} ssl http2;",
        f"/etc/letsencrypt/live/{NAME}/fullchain.pem": str(folder / "cert.pem"),
        f"/etc/letsencrypt/live/{NAME}/privkey.pem": str(folder / "key.pem"),
        "/var/cache/nginx/ironforge": str(folder / "cache"),
    }.items():
        assert site.count(written) == 1, written
        site = site.replace(written, here)
    # Its workers would be an account that may not enter this test's folder.
    account = "user root; " if os.getuid() == 0 else ""
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    around = f"{account}daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}"
    (folder / "nginx.conf").write_text(f"{around} http {{ access_log off; {temporary}\n{site}}}")
    proxy = started(
        [program, "-p", str(folder), "-e", f"{folder}/error.log", "-c", str(folder / "nginx.conf")], http, https
    )
    yield proxy
    proxy.process.terminate()
    proxy.process.wait()


@pytest.fixture(scope="module")
def caddy(port: int, tmp_path_factory: pytest.TempPathFactory) -> Generator[Proxy]:
    program = shutil.which("caddy")
    if program is None:
        pytest.skip("caddy is not installed (Debian: apt-get install caddy)")
    folder: Path = tmp_path_factory.mktemp("caddy")
    http, https = free_port(), free_port()
    text = read(PROXIES / "Caddyfile")
    # A certificate that it makes itself, on other ports, and no interface to administer it.
    options = ["admin off", f"http_port {http}", f"https_port {https}", f"storage file_system {folder}"]
    own = "".join(f"\n\t{one}" for one in ["skip_install_trust", *options])
    text = text.replace("127.0.0.1:8420", f"127.0.0.1:{port}").replace(f"{NAME} {{", f"{NAME} {{\n\ttls internal")
    text = text.replace("\n{\n", f"\n{{{own}\n", 1)
    (folder / "Caddyfile").write_text(text)
    proxy = started([program, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"], http, https)
    yield proxy
    proxy.process.terminate()
    proxy.process.wait()


@pytest.fixture(params=["nginx", "caddy"])
def proxy(request: pytest.FixtureRequest) -> Proxy:
    return request.getfixturevalue(request.param)


def test_pages_and_the_api_come_over_tls_with_the_headers_of_both(proxy: Proxy) -> None:
    for path in ("/eu", "/v1/eu/top", "/eu/top.csv"):
        status, headers, body = proxy.get(path)
        assert (status, bool(body)) == (200, True)
        assert headers.get_all("Strict-Transport-Security") == ["max-age=31536000"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["ETag"]
    assert proxy.get("/v1/eu/top", If_None_Match=proxy.get("/v1/eu/top")[1]["ETag"])[0] == 304


def test_http_is_led_to_https_of_the_own_name_alone(proxy: Proxy) -> None:
    connection = HTTPConnection("127.0.0.1", proxy.http, timeout=20)
    connection.request("GET", "/eu?x=1", headers={"Host": NAME})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.status in {301, 308}
    assert re.fullmatch(rf"https://{re.escape(NAME)}(:\d+)?/eu\?x=1", answer.headers["Location"])


def test_a_body_that_nobody_needs_is_refused(proxy: Proxy) -> None:
    # Caddy, whose own limit ends what it passes on, says 502 where it saw that before the service's answer.
    assert proxy.get("/v1/eu/top", method="POST", body=b"x" * 100_000)[0] in {413, 502}


def test_what_holds_is_kept_and_then_asked_for_again(nginx: Proxy) -> None:
    first, second = (nginx.get("/v1/us/movers")[1]["X-Cache"] for _ in range(2))
    assert (first, second) == ("MISS", "HIT")
    # What a cache may not keep, it does not.
    assert {nginx.get("/healthz")[1]["X-Cache"] for _ in range(2)} <= {"MISS", "BYPASS"}


def test_who_asks_too_fast_is_told_to_wait(nginx: Proxy) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = [status for status, _, _ in pool.map(nginx.get, ["/healthz"] * 120)]
    assert set(found) == {200, 429}
    assert found.count(200) >= 60

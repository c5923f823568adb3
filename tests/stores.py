"""An S3-compatible store for tests: moto's server, in a thread of this process."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

import requests
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Generator


@dataclass(frozen=True, slots=True)
class S3:
    """A running store."""

    url: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which programs find it, as for any store that is not Amazon's."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "only-for-tests",
            "AWS_SECRET_ACCESS_KEY": "only-for-tests",
        }

    def new_bucket(self) -> str:
        """Make a bucket, and return its name."""
        name = f"b-{uuid4().hex[:12]}"
        requests.put(f"{self.url}/{name}", timeout=5).raise_for_status()
        return name


@contextmanager
def s3_server() -> Generator[S3]:
    """Run the store on a free port."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield S3(f"http://{host}:{port}")
    finally:
        server.stop()

"""The stand-in for Blizzard's API, as an object that tests and the demo hold, and as a program that runs."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ironforge_cli.errors import UsageError
from ironforge_cli.regions import DEFAULT_REGIONS
from ironforge_cli.sandbox.access import TOKEN_SECONDS, Limits, Quota, Tokens
from ironforge_cli.sandbox.api import Api
from ironforge_cli.sandbox.control import CONTROL_PATH, Control
from ironforge_cli.sandbox.faults import Aim
from ironforge_cli.sandbox.market_profiles import MODERATE
from ironforge_cli.sandbox.server import SandboxService, Server
from ironforge_cli.sandbox.world import DEFAULT_START, World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from types import TracebackType

    from ironforge_cli.regions import Region
    from ironforge_cli.sandbox.api import Answered, Asked
    from ironforge_cli.sandbox.catalogue import Catalogue
    from ironforge_cli.sandbox.market import Behaviour, IdRange
    from ironforge_cli.sandbox.world import Publication, PublishedTruth

CLIENT_ID = "sandbox"
CLIENT_SECRET = "made-for-trying"  # noqa: S105 - the stand-in's own; it opens nothing else.

_EXCHANGES_KEPT = 100_000
_TICK = 1.0


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request that the sandbox answered, as its log keeps it."""

    method: str
    path: str
    """Without the query."""
    query: Mapping[str, str]
    status: int
    """As it was sent, or would have been where the fault is that nothing is."""
    bytes: int
    """Length of the body as it was sent, compressed or not."""
    region: Region | None
    endpoint: str | None
    """One of `faults.ENDPOINTS`; None for what the API doesn't have, and for requests refused unseen."""
    fault: str | None
    """Name of the fault that struck the answer."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a sandbox listens, and what a client needs to be let in."""

    api_url: str
    """With `{region}` in it, as `IRONFORGE_API_URL` takes it."""
    oauth_url: str
    control_url: str
    client_id: str
    client_secret: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make the tool ask the sandbox instead of Blizzard."""
        return {
            "IRONFORGE_API_URL": self.api_url,
            "IRONFORGE_OAUTH_URL": self.oauth_url,
            "BLIZZARD_CLIENT_ID": self.client_id,
            "BLIZZARD_CLIENT_SECRET": self.client_secret,
        }


class Sandbox:
    """A running stand-in: a context manager that serves from a thread of its own.

    Time stands still until `advance`, unless `speed` lets it run that many times as fast as real time.
    The same seed and sizes give the same bytes, whatever the port. Raises `UsageError` where the port is
    taken, and `ValueError` for sizes that no world can have.

    ```python
    with Sandbox(auctions=2_000) as sandbox:
        sandbox.set_fault("truncated", region=Region.EU, count=1)
        sandbox.advance()
    ```
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        auctions: int = 30_000,
        items: int = 1_500,
        recipes: int = 300,
        commodities: int | None = None,
        starts_at: datetime = DEFAULT_START,
        speed: float = 0.0,
        host: str = "127.0.0.1",
        port: int = 0,
        client_id: str = CLIENT_ID,
        client_secret: str = CLIENT_SECRET,
        limits: Limits | None = None,
        latency: float = 0.0,
        token_seconds: float = TOKEN_SECONDS,
        token_answers_304: bool = True,
        ids: IdRange | None = None,
        regions: Sequence[Region] = DEFAULT_REGIONS,
        behaviour: Behaviour = MODERATE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.client_id, self.client_secret = client_id, client_secret
        self.world = World(
            seed=seed,
            auctions=auctions,
            items=items,
            recipes=recipes,
            commodities=commodities,
            starts_at=starts_at,
            speed=speed,
            ids=ids,
            regions=regions,
            behaviour=behaviour,
            monotonic=monotonic,
        )
        self._tokens = Tokens(
            client_id=client_id,
            client_secret=client_secret,
            seed=seed,
            seconds=token_seconds,
            monotonic=monotonic,
        )
        api = Api(
            self.world,
            tokens=self._tokens,
            quota=Quota(Limits() if limits is None else limits, monotonic=monotonic),
            token_answers_304=token_answers_304,
        )
        self._faults = api.faults
        self._exchanges: deque[LoggedRequest] = deque(maxlen=_EXCHANGES_KEPT)
        self._ending = threading.Event()
        service = SandboxService(
            world=self.world,
            api=api,
            control=Control(self.world, faults=api.faults, tokens=self._tokens),
            note=self._note,
            latency=latency,
            ending=self._ending,
        )
        try:
            self._server = Server((host, port), service)
        except OSError as error:
            raise UsageError(f"can't listen on {host}:{port} ({error}): choose another port, or 0 for any") from error
        self._thread = threading.Thread(target=self._server.serve_until_ended, name="sandbox", daemon=True)

    def __enter__(self) -> Sandbox:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        self._server.stop_accepting()
        self._thread.join()
        self._server.end()

    @property
    def address(self) -> Address:
        """Where it listens, and the environment that leads the tool there."""
        return Address(
            api_url=self.api_url,
            oauth_url=self.oauth_url,
            control_url=self._url + CONTROL_PATH,
            client_id=self.client_id,
            client_secret=self.client_secret,
        )

    @property
    def api_url(self) -> str:
        """The API's address, with `{region}` in it."""
        return self._url + "/{region}"

    @property
    def oauth_url(self) -> str:
        """The token endpoint's address."""
        return self._url + "/oauth/token"

    @property
    def _url(self) -> str:
        return f"http://{self._server.server_name}:{self._server.server_port}"

    @property
    def catalogue(self) -> Catalogue:
        """The items, professions and recipes that it answers from."""
        return self.world.catalogue

    @property
    def now(self) -> datetime:
        """Its time: the `Date` of its answers."""
        return self.world.now

    @property
    def requests(self) -> list[LoggedRequest]:
        """What was asked of it and answered, oldest first, without what was asked of the switchboard."""
        return list(self._exchanges)

    def forget_requests(self) -> None:
        """Start the log of requests anew."""
        self._exchanges.clear()

    def published(self, region: Region) -> Publication:
        """Return what a region publishes now: its time, its auctions as columns, and its body."""
        return self.world.publications(region)[0]

    def patch(self, build: str, catalogue: Catalogue | None = None) -> None:
        """Bring a new build of the game, with the catalogue as it is or another of the same markets."""
        self.world.patch(build, catalogue)

    def advance(self, region: Region | None = None, *, hours: int = 1) -> None:
        """Let one region, or every one, publish so many hours more."""
        self.world.advance(region, hours=hours)

    def truths(self, region: Region) -> list[PublishedTruth]:
        """Return what really happened in a region between its publications, oldest first."""
        return self.world.truths(region)

    def prepare(self) -> None:
        """Write and compress what every region publishes now, so that no request waits for it."""
        for region in self.world.regions:
            _ = self.published(region).gzipped

    def set_fault(
        self,
        name: str,
        *,
        region: Region | None = None,
        endpoint: str | None = None,
        path: str | None = None,
        count: int | None = None,
        after: int = 0,
        field: str | None = None,
        status: int | None = None,
        retry_after: int | None = None,
        seconds: float | None = None,
    ) -> None:
        """Switch a fault of `faults.FAULTS` on; `faults.Aim` says what the others mean.

        Raises `ValueError` for a fault, an endpoint or a region that doesn't exist here.
        """
        self._faults.set(
            Aim(
                name=name,
                region=region,
                endpoint=endpoint,
                path=path,
                count=count,
                after=after,
                field=field,
                status=status,
                retry_after=retry_after,
                seconds=seconds,
            )
        )

    def clear_faults(self, name: str | None = None, *, region: Region | None = None) -> None:
        """Switch off every fault, or those of one name, or those aimed at one region."""
        self._faults.clear(name, region=region)

    def expire_tokens(self) -> None:
        """End the life of every token given out so far."""
        self._tokens.expire_all()

    def _note(self, asked: Asked, answered: Answered, size: int) -> None:
        self._exchanges.append(
            LoggedRequest(
                method=asked.method,
                path=asked.path,
                query=asked.query,
                status=answered.answer.status,
                bytes=size,
                region=answered.region,
                endpoint=answered.endpoint,
                fault=answered.fault,
            )
        )


def serve(sandbox: Sandbox, *, when_ready: Callable[[Address], None], ending: threading.Event | None = None) -> None:
    """Run a sandbox until `ending` is set or a signal raises; `when_ready` is told where it listens.

    Where its time runs by the clock, hours are published when they are due, asked for or not.
    """
    over = threading.Event() if ending is None else ending
    with sandbox:
        when_ready(sandbox.address)
        while not over.wait(_TICK):
            sandbox.world.settle()

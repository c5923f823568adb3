"""The composition root: settings into a database, an API client, a clock. Only here do they meet."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from contextlib import ExitStack, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ironforge_cli.cli.frame import logs
from ironforge_cli.cli.frame.options import LogFormat
from ironforge_cli.cli.frame.stopping import Stop, SystemClock, is_at_terminal
from ironforge_cli.errors import ConfigurationError, DatabaseError
from ironforge_cli.ownership import owners_rights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ironforge_cli.archive.store import ArchiveStore
    from ironforge_cli.blizzard.client import BlizzardClient
    from ironforge_cli.blizzard.spool import Shelves
    from ironforge_cli.blizzard.transport import Transport
    from ironforge_cli.cli.frame.options import Shared
    from ironforge_cli.cli.frame.upgrading import Upgrade
    from ironforge_cli.cli.show.progress import MovingLines
    from ironforge_cli.config import LoadedSettings, Settings
    from ironforge_cli.db.embedded import EmbeddedServer
    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.catalogue.work import SeedProgress
    from ironforge_cli.jobs.collecting.upkeep import Upkeep
    from ironforge_cli.jobs.days.archiving import Archive
    from ironforge_cli.jobs.days.housekeeping import Housekeeping
    from ironforge_cli.jobs.evidence.runs import Progress
    from ironforge_cli.jobs.storage import Storage
    from ironforge_cli.regions import Region

_LOOKS_AFTER_SECONDS = 5.0
_Lines = TypeVar("_Lines", bound="MovingLines")


class Invocation:
    """One call of one command: what it may need, made when it is asked for, closed when it ends."""

    def __init__(self, *, environment: Mapping[str, str], shared: Shared, command: str) -> None:
        self.environment = environment
        self.shared = shared
        self.command = command
        self.stop = Stop(is_at_terminal=is_at_terminal())
        self.clock = SystemClock(self.stop)
        self._closing = ExitStack()
        # What moves on the terminal; it leaves before anything is written for good.
        self._moving = self._closing.enter_context(ExitStack())
        self._embedded: EmbeddedServer | None = None
        self.at_work: Callable[[], None] = lambda: None
        """Called when the work begins: what was wrong with the options has been said by then."""
        self.home_in_use: Path | None = None
        """The home of a command that has another than the settings'."""
        self._upgrading: tuple[Database, Upgrade] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._upgrading is not None:
            self._upgrading[1].see_to_its_end(is_asked_to_stop=lambda: self.stop.is_asked)
        self._closing.close()

    @cached_property
    def loaded(self) -> LoadedSettings:
        """Settings with their sources; what is odd about them is said once."""
        from ironforge_cli import config

        loaded = config.load(options={}, environment=self.environment)
        settings = loaded.settings
        # Until now only the environment's word was known; the config file has one, too.
        logs.adjust(self.shared, level=settings.log_level.value, form=LogFormat(settings.log_format))
        for warning in loaded.warnings:
            logging.getLogger(__name__).warning("%s", warning)
        return loaded

    @property
    def settings(self) -> Settings:
        """The settings in force. Raises `ConfigurationError`."""
        return self.loaded.settings

    def regions(self, given: Sequence[Region] | None) -> tuple[Region, ...]:
        """The regions to work on: those of the option, else of the settings, each once."""
        return tuple(dict.fromkeys(given)) if given else self.settings.regions

    @cached_property
    def home(self) -> Path:
        """The folder for everything that is kept outside the database; made private. Raises `ConfigurationError`."""
        from ironforge_cli.cli.frame import homes

        home = self.settings.home
        self.at_work()
        if self.settings.database_url is None:
            homes.mend(home)
            # The embedded server's account has to get in, too.
            return self.server().make_home()
        homes.mend(home)
        try:
            with owners_rights(home):
                home.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"The folder {home} can't be made ({error.strerror}). Set IRONFORGE_HOME to one that can be written."
            ) from error
        if not os.access(home, os.W_OK | os.X_OK):
            raise ConfigurationError(
                f"The folder {home} can't be written by this user. Set IRONFORGE_HOME to one that can."
            )
        return home

    def server(self, *, keep_running: bool = False, home: Path | None = None) -> EmbeddedServer:
        """The embedded server of a home, not started yet."""
        from ironforge_cli.db.embedded import EmbeddedServer

        return EmbeddedServer(
            home or self.settings.home,
            environment=self.environment,
            bindir=self.settings.pg_bindir,
            account=self.settings.pg_user,
            keep_running=keep_running,
        )

    @cached_property
    def database(self) -> Database:
        """The database of the settings, or the embedded one, started and migrated.

        Raises `ConfigurationError` or `DatabaseError`.
        """
        given = self.settings.database_url
        return self.embedded_database() if given is None else self._opened(given.get_secret_value())

    @cached_property
    def database_to_read(self) -> Database:
        """Where questions are asked: the database that `read_url` names, else the same as `database`."""
        given = self.settings.read_url
        return self.database if given is None else self._opened(given.get_secret_value())

    def lasting_database_to_read(self) -> Callable[[], Database]:
        """The same for work that can outlast its server: an embedded one that died is started again. For any thread."""
        database, server = self.database_to_read, self._embedded
        if server is None:
            return lambda: database
        one_at_a_time, looked = threading.Lock(), [time.monotonic()]

        def found() -> Database:
            if time.monotonic() - looked[0] > _LOOKS_AFTER_SECONDS and one_at_a_time.acquire(blocking=False):
                try:
                    server.start()
                finally:
                    looked[0] = time.monotonic()
                    one_at_a_time.release()
            return database

        return found

    @cached_property
    def database_as_it_is(self) -> Database:
        """The same, with the schema that it has."""
        given = self.settings.database_url
        if given is not None:
            return self._opened(given.get_secret_value())
        server = self._embedded = self.server()
        self._closing.enter_context(server)
        return self._opened(server.conninfo)

    def embedded_database(self, *, home: Path | None = None) -> Database:
        """The embedded database of a home, started and migrated."""
        from ironforge_cli.db import schema

        server = self._embedded = self.server(home=home)
        self._closing.enter_context(server)
        # Unlike the URL it says that no TCP address is meant, whatever PGHOSTADDR says.
        database = self._opened(server.conninfo)
        schema.upgrade(database)
        return database

    def collecting_database(self) -> Database:
        """The same as `database`, for work that can't wait: an embedded schema is upgraded beside it.

        Raises `DatabaseError` for as long as that takes; calls from several threads take turns elsewhere.
        """
        if self.settings.database_url is not None or "database" in self.__dict__:
            return self.database
        from ironforge_cli.cli.frame.upgrading import Upgrade

        if self._upgrading is None:
            database = self.database_as_it_is
            self._upgrading = database, Upgrade(database)
        database, upgrade = self._upgrading
        try:
            upgrade.require_done()
        finally:
            if upgrade.has_failed:
                # What failed is tried again when it is asked for again.
                self._upgrading = None
        self.__dict__["database"] = database
        return database

    def _opened(self, url: str) -> Database:
        self.at_work()
        from ironforge_cli.db.engine import Database

        database = Database(url)
        self._closing.callback(database.close)
        return database

    @property
    def shelves(self) -> Shelves:
        """The spool and the quarantine of the settings' home."""
        from ironforge_cli.cli.frame import homes

        # Looking makes nothing, and asks no server for its account.
        homes.mend(self.settings.home)
        return self._shelves_of(self.settings.home)

    def _shelves_of(self, home: Path) -> Shelves:
        from ironforge_cli.blizzard.spool import Shelves

        return Shelves.of(
            home,
            spool_megabytes=self.settings.spool_limit_mb,
            quarantine_megabytes=self.settings.quarantine_limit_mb,
        )

    def storage(self, database: Callable[[], Database], *, home: Path) -> Storage:
        """Where what is collected goes; a database that is away is found out by who works with it."""
        from ironforge_cli.db.engine import MissingDatabase
        from ironforge_cli.jobs.evidence.pending import PendingRows
        from ironforge_cli.jobs.storage import Storage

        try:
            found = database()
        except DatabaseError as error:
            found = MissingDatabase(error)
        except ConfigurationError as error:
            # A setting that is wrong stops everything; an embedded server that can't start only sends bodies to the
            # spool.
            if self.settings.database_url is not None:
                raise
            found = MissingDatabase(error)
        return Storage(
            database=found,
            shelves=self._shelves_of(home),
            pending=PendingRows(home / "spool" / "log-rows.jsonl"),
            locks_folder=home / "locks",
            retention_days=self.settings.raw_retention_days,
        )

    def lasting_storage(self) -> Callable[[], Storage]:
        """Storage for work that can outlast its server: each call starts the embedded one again where it has died.

        Safe to call from several threads.
        """
        one_at_a_time = threading.Lock()

        def storage() -> Storage:
            with one_at_a_time:
                if self._embedded is not None:
                    try:
                        self._embedded.start()
                    except (ConfigurationError, DatabaseError) as error:
                        # Whoever connects is told the same, and keeps what it has on disk.
                        logging.getLogger(__name__).debug("The embedded server can't be started: %s", error)
                return self.storage(self.collecting_database, home=self.home)

        return storage

    def housekeeping(
        self,
        *,
        ahead: int | None = None,
        retain: int | None = None,
        archive: str | None = None,
        regions: Sequence[Region] | None = None,
        is_archive_looked_at: bool = True,
    ) -> Housekeeping:
        """What is kept, how long, and made how far ahead: by options, else by the settings.

        Without `regions` what is held of regions that the settings don't name (any more) leaves, too. An archive that
        is not looked at now refuses when it is used.
        """
        from ironforge_cli.jobs.days.housekeeping import Housekeeping, MonthsKept
        from ironforge_cli.regions import Region

        settings = self.settings
        kept = self.archive(archive) if is_archive_looked_at else self._named_archive(archive)
        return Housekeeping(
            ahead=settings.partitions_ahead if ahead is None else ahead,
            retention_days=settings.raw_retention_days if retain is None else retain,
            log_retention_days=settings.log_retention_days,
            archive=kept,
            months=MonthsKept(settings.stats_retention_months, archive=kept),
            leaving=() if regions else tuple(region for region in Region if region not in settings.regions),
        )

    def upkeep(self) -> Upkeep:
        """What is done for the days of regions of which something was stored, by the settings."""
        from ironforge_cli.jobs.days.maintain import upkeep_by

        # An archive that is away must not cost the hour: the upkeep says so, and drops nothing.
        return upkeep_by(self.housekeeping(is_archive_looked_at=False), clock=self.clock)

    def archive(self, given: str | None = None) -> Archive | None:
        """The archive of an option, else of the settings; None where neither names one.

        Raises `ArchiveError` where there is none at the place that is named.
        """
        archive = self._named_archive(given)
        if archive is not None:
            archive.require_made()
        return archive

    def store(self, given: str | None = None) -> ArchiveStore | None:
        """The place of an archive that is named so, whether there is an archive or not."""
        uri = self.settings.archive_uri if given is None else given
        if uri is None:
            return None
        from ironforge_cli.archive.store import store_at

        return store_at(uri, environment=self.environment)

    def _named_archive(self, given: str | None) -> Archive | None:
        store = self.store(given)
        if store is None:
            return None
        from ironforge_cli.archive.days import ArchivedDays
        from ironforge_cli.archive.marker import MadeStore
        from ironforge_cli.jobs.days.archiving import Archive

        return Archive(ArchivedDays(MadeStore(store)), now=self.clock.now)

    def required_archive(self, given: str | None) -> Archive:
        """The same; raises `ConfigurationError` where neither names one."""
        archive = self.archive(given)
        if archive is None:
            raise ConfigurationError("No archive is named: set IRONFORGE_ARCHIVE_URI, or give --archive.")
        return archive

    @cached_property
    def transport(self) -> Transport:
        """Sessions to Blizzard, by the settings. Raises `ConfigurationError` where named certificates are missing."""
        from ironforge_cli.given import require_certificates

        require_certificates(self.environment)
        return self.transport_to(
            home=self.home, credentials=self.settings.credentials, oauth_url=self.settings.oauth_url
        )

    def transport_to(
        self,
        *,
        home: Path,
        credentials: Callable[[], tuple[str, str]],
        oauth_url: str,
        now: Callable[[], float] = time.time,
    ) -> Transport:
        """Sessions whose cache and rate limit are in a home; `now` says how old what is cached has become."""
        from ironforge_cli.blizzard.ratelimit import RateLimit, reserved_for_collecting
        from ironforge_cli.blizzard.transient_faults import LONGEST_WAIT_SECONDS
        from ironforge_cli.blizzard.transport import Transport

        cache = home / "http"
        for former in ("requests.sqlite", "requests.sqlite-journal"):
            # What counted before there was a ring.
            with suppress(OSError), owners_rights(cache):
                (cache / former).unlink()
        per_hour = self.settings.requests_per_hour
        is_seeding = self.command.startswith("seed")
        limit = RateLimit(
            cache / "requests.ring",
            per_second=self.settings.requests_per_second,
            per_hour=per_hour,
            now=time.time,
            sleep=self.clock.sleep,
            # The hour comes first: it is never out of requests because of seeding, which can wait.
            leaves=reserved_for_collecting(per_hour) if is_seeding else 0,
            longest_wait=float("inf") if is_seeding else LONGEST_WAIT_SECONDS,
        )
        transport = Transport(
            cache_folder=cache,
            credentials=credentials,
            oauth_url=oauth_url,
            timeout=self.settings.http_timeout,
            rate_limit=limit,
            now=now,
            sleep=self.clock.sleep,
            check=self.clock.check,
        )
        self._closing.callback(transport.close)
        return transport

    @cached_property
    def client(self) -> BlizzardClient:
        """Blizzard's API, by the settings."""
        from ironforge_cli.blizzard.client import BlizzardClient

        return BlizzardClient(self.transport, api_url=self.settings.api_url, locale=self.settings.locale)

    def progress(self) -> Progress:
        """Progress bars where a person watches, else nothing; they end with the command."""
        from ironforge_cli.jobs.evidence.runs import Silent

        if self.shared.quiet or not sys.stderr or not sys.stderr.isatty():
            return Silent()
        from ironforge_cli.cli.show.progress import Bars

        return self._moved(Bars(no_color=self.shared.no_color))

    def tell_once(self, *, is_table: bool) -> None:
        """At a terminal let the table alone say how it ended; with -v, or a level that was asked for, lines do, too."""
        level_is_chosen = self.loaded.sources["log_level"] != "default"
        if self.shared.verbose or level_is_chosen or not is_table or logs.form_in_force() is LogFormat.JSON:
            return
        if logs.is_terminal(sys.stdout) and logs.is_terminal(sys.stderr):
            self.close_with(logs.warnings_alone("ironforge_cli.jobs"))

    def seed_progress(self) -> SeedProgress:
        """The same for seeding; where nobody watches, a line a part."""
        from ironforge_cli.cli.show.seed_progress import SeedBars, SeedLines

        if self.shared.quiet or not sys.stderr or not sys.stderr.isatty():
            return SeedLines()
        return self._moved(SeedBars(no_color=self.shared.no_color))

    def _moved(self, lines: _Lines) -> _Lines:
        from ironforge_cli.cli.frame import logs

        self._moving.enter_context(lines)
        self._moving.enter_context(logs.above(lines.say))
        return lines

    def stand_still(self) -> None:
        """End what moves on the terminal, without a trace: what is written now stays."""
        self._moving.close()

    def close_with(self, resource: Any) -> Any:
        """Enter a context that lasts until the command ends."""
        return self._closing.enter_context(resource)

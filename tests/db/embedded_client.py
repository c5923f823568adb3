"""A process that uses an embedded server as the tests tell it to: verbs in, answers out, a line each."""

from __future__ import annotations

import encodings.idna  # noqa: F401 # pyright: ignore[reportUnusedImport] - libraries load it late, then out of reach
import json
import os
import signal
import socket
import sys
import uuid  # noqa: F401 # pyright: ignore[reportUnusedImport] - psycopg loads it late, when it is out of reach
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString, TextIO, cast

import psycopg

from ironforge_cli.db.embedded import EmbeddedServer
from ironforge_cli.db.embedded.cluster import answering_pid
from ironforge_cli.db.embedded.file_lock import FileLock, Hold
from ironforge_cli.db.embedded.folders import socket_folder
from ironforge_cli.errors import IronforgeError

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Fork a client for each request on the socket that is given by number, until its other end is closed.

    A request is the client's options, as JSON, with the socket that it is to talk on; the answer is its process id.
    Forking saves each client the imports; nothing is shared that a process of its own would not have.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        while True:
            request, descriptors, _, _ = socket.recv_fds(requests, 65536, 1)
            if not request:
                return
            client = os.fork()
            if client == 0:
                break
            os.close(descriptors[0])
            requests.sendall(f"{client}\n".encode())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    with socket.socket(fileno=descriptors[0]) as line, line.makefile("r") as verbs, line.makefile("w") as answers:
        converse(verbs, answers, options=json.loads(request))


def converse(words: TextIO, answers: TextIO, *, options: dict[str, Any]) -> None:
    """Answer until there are no more words; what the program then still holds is freed by its exit alone."""
    home = Path(options["home"])
    os.environ.update(options.get("variables", {}))
    os.umask(options.get("umask", 0o022))
    if "uid" in options:
        # Everything is imported by now: the interpreter's own folder may be closed to that user.
        os.setgroups([])
        os.setgid(options["gid"])
        os.setuid(options["uid"])
    # A shell that runs the tests in the background switches Ctrl-C off for all that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    server = EmbeddedServer(
        home,
        environment=dict(os.environ),
        bindir=Path(options["bindir"]) if "bindir" in options else None,
        account=options.get("account"),
        keep_running=options.get("keep_running", False),
        start_timeout=options.get("start_timeout", 60.0),
    )
    held: list[FileLock] = []

    def start(_: str) -> int | None:
        server.start()
        return answering_pid(socket_folder(home.absolute() / "postgres", uid=server_uid(home)))

    def hold_start_lock(_: str) -> None:
        lock = FileLock(home / "postgres" / "start.lock", account=server._account)  # pyright: ignore[reportPrivateUsage] - no other way to hold it
        assert lock.take(Hold.ALONE, seconds=0)
        held.append(lock)

    def fork(_: str) -> int:
        child = os.fork()
        if child == 0:
            # Should its test fail to end it, it ends by itself.
            signal.alarm(300)
            signal.pause()
        return child

    def query(statement: str) -> Any:
        with psycopg.connect(server.conninfo, autocommit=True) as connection:
            cursor = connection.execute(cast("LiteralString", statement))
            return cursor.fetchall() if cursor.description else None

    verbs: dict[str, Callable[[str], Any]] = {
        "start": start,
        "close": lambda _: server.close(),
        "stop": lambda force: server.stop(force=force == "force", patience=0.2),
        "running": lambda _: server.is_running(),
        "hold_start_lock": hold_start_lock,
        "fork": fork,
        "query": query,
        "url": lambda _: server.url,
    }
    for line in words:
        verb, _, rest = line.strip().partition(" ")
        try:
            answer = {"answer": verbs[verb](rest)}
        except IronforgeError as error:
            answer = {"error": type(error).__name__, "message": str(error)}
        answers.write(json.dumps(answer, default=str) + "\n")
        answers.flush()


def server_uid(home: Path) -> int:
    """Whom the server of `home` runs as, once it has been started."""
    return (home / "postgres").stat().st_uid


if __name__ == "__main__":
    main()

"""The embedded PostgreSQL: a real server of the user's own, started on demand and shared by overlapping processes.

Only PostgreSQL's programs come from elsewhere (a wheel, the system, or a folder that the operator names). Everything
else lies in `<home>/postgres`: the data (`pg18`, named for its major version), the locks, `ironforge.conf` (written at
each start), `user.conf` (the operator's, read after it), `server.log`, and `run` with the server's socket. Where that
socket's path would be too long, or hold a character that connection strings can't carry, a private folder in `/tmp`
named for the user and the home takes its place.

Any number of processes may start, use and leave the server at once. Two locks, which the kernel frees when their
process ends in whatever way, say all that has to be known: `start.lock` is held around starting and stopping,
`use.lock` is shared for as long as a process uses the server. The last one out gets `use.lock` for itself, sees whether
a person is still connected, and stops the server; a file `keep-running` (`ironforge db start`) forbids it until
`ironforge db stop`.

PostgreSQL refuses to run as root. Started by root, it runs as another account that exists already: the one set, the
owner of `<home>/postgres` or of the home, `ironforge`, `postgres` or `nobody`. What that means for folders:

- A home that root creates here is 0700 and belongs to that account, and so does an empty one which only root could
  enter: the server has to reach its data below it, and root can use the home all the same.
- A home that exists otherwise is never changed. If the account can't enter it, the error names the folder and says
  what to do. Parent folders are never changed either, and no account is ever made.
- `<home>/postgres` and all in it is private to the account: trust authentication is safe only because nobody else can
  reach the socket.

Programs that the account can't reach (a virtual environment under a private home) are copied once into
`<home>/postgres`. Of the caller's environment the server sees only where programs and libraries are: neither `PG*` and
locale variables, which would change what it does, nor secrets, which the account could read.

Windows has neither these locks nor these accounts: importing the package raises `ConfigurationError` there.
"""

from __future__ import annotations

import sys

from ironforge_cli.errors import ConfigurationError

if sys.platform == "win32":
    raise ConfigurationError(
        "On Windows ironforge has no database of its own. Set IRONFORGE_DATABASE_URL to a PostgreSQL server, "
        "or run ironforge in WSL."
    )

from ironforge_cli.db.embedded.accounts import choose_account
from ironforge_cli.db.embedded.folders import make_home
from ironforge_cli.db.embedded.programs import find_bindir
from ironforge_cli.db.embedded.server import DATABASE_NAME, EmbeddedServer

__all__ = ["DATABASE_NAME", "EmbeddedServer", "choose_account", "find_bindir", "make_home"]

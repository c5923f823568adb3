"""`ironforge watch test`: try whether messages arrive."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ironforge_cli.cli.commands.watch import WebhookFiles, Webhooks, given_addresses
from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Format, FormatOption
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.render import Report
from ironforge_cli.cli.show.tables import Column, listed
from ironforge_cli.errors import ExitStatus, UsageError
from ironforge_cli.tell import remembered
from ironforge_cli.tell.deliveries import Sender

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from ironforge_cli.tell.remembered import Tried


@command
def try_(
    invocation: Invocation,
    *,
    webhook: Webhooks = None,
    webhook_file: WebhookFiles = None,
    format_: FormatOption = Format.TABLE,
) -> Report:
    """Send a message to each address, to see whether it arrives.

    Example: ironforge watch test --webhook-file webhooks.txt
    Example: ironforge watch test --webhook https://ntfy.sh/my-secret-topic
    """
    addresses = given_addresses(webhook, webhook_file)
    if not addresses:
        raise UsageError("No address is given: name one by --webhook, or a file of them by --webhook-file.")
    found = remembered.tried(addresses, Sender(invocation.clock), now=invocation.clock.now())
    failed = [one for one in found if one.problem is not None]
    return Report(
        records=[asdict(one) for one in found],
        show=lambda console: _show(console, found),
        format=format_,
        status=ExitStatus.PARTIAL if failed else ExitStatus.DONE,
        failures=tuple(f"{one.address}: {one.problem}." for one in failed),
    )


def _show(console: Console, found: Sequence[Tried]) -> None:
    columns = [Column("address"), Column("kind"), Column("")]
    cells = ((one.address, one.kind, "arrived" if one.problem is None else "did not arrive") for one in found)
    listed(console, columns, cells, empty="")

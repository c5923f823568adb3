"""`ironforge sandbox`: the stand-in for Blizzard's API, to try the tool with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ironforge_cli.cli.command import command

if TYPE_CHECKING:
    from ironforge_cli.cli.wiring import Invocation

app = typer.Typer(no_args_is_help=True)

Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 takes any free one.")]
Host = Annotated[str, typer.Option("--host", help="Address to listen on; the default is this machine alone.")]
Auctions = Annotated[int, typer.Option("--auctions", min=100, max=1_000_000, help="Auctions of each region.")]
Items = Annotated[int, typer.Option("--items", min=50, max=20_000, help="Items of the catalogue.")]
Recipes = Annotated[int, typer.Option("--recipes", min=0, max=9_700, help="Recipes of the catalogue.")]
Seed = Annotated[int, typer.Option("--seed", help="The same seed makes the same market.")]
Speed = Annotated[
    float,
    typer.Option("--speed", min=0, help="How fast its time runs: 1 is real time, 60 an hour a minute, 0 on command."),
]
Latency = Annotated[float, typer.Option("--latency", min=0, help="Seconds before each answer.")]
Faults = Annotated[
    list[str] | None,
    typer.Option("--fault", help="Answer with this fault, such as truncated or eu:truncated; repeat for more."),
]


@command
def serve(
    run: Invocation,
    *,
    port: Port = 8642,
    host: Host = "127.0.0.1",
    auctions: Auctions = 30_000,
    items: Items = 1_500,
    recipes: Recipes = 300,
    seed: Seed = 1,
    speed: Speed = 1.0,
    latency: Latency = 0.0,
    fault: Faults = None,
) -> None:
    """Answer as Blizzard's API does, over a simulated market, until Ctrl-C.

    Prints the variables that lead the other commands there. Hours come by the clock (--speed) or by
    `curl -X POST URL/_sandbox/advance`; docs/sandbox.md lists what else it can be told, and every fault.

    Example: ironforge sandbox serve --speed 60 --auctions 350000
    """
    from ironforge_cli.errors import UsageError  # noqa: PLC0415
    from ironforge_cli.regions import Region  # noqa: PLC0415
    from ironforge_cli.sandbox.stand_in import Address, Sandbox  # noqa: PLC0415 - help must not wait for numpy

    def ready(address: Address) -> None:
        typer.echo("# The sandbox listens. In another terminal:")
        for name, value in address.environment.items():
            typer.echo(f"export {name}='{value}'")
        typer.echo("ironforge collect")

    sandbox = Sandbox(
        seed=seed,
        auctions=auctions,
        items=items,
        recipes=recipes,
        speed=speed,
        host=host,
        port=port,
        latency=latency,
        starts_at=run.clock.now(),
    )
    for given in fault or ():
        region, _, name = given.rpartition(":")
        try:
            sandbox.set_fault(name, region=Region(region) if region else None)
        except ValueError as error:
            raise UsageError(f"--fault {given}: {error}") from error
    from ironforge_cli.sandbox.stand_in import serve as serve_until  # noqa: PLC0415

    serve_until(sandbox, when_ready=ready, ending=run.stop.event)


app.command("serve")(serve)

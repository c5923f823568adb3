"""Pictures of answers in files: PNG, SVG, or a page of HTML that works without a network."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ironforge_cli.errors import ConfigurationError, UsageError
from ironforge_cli.given import named_place
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ironforge_cli.charts import Specification

_SCALE: Final = 2
"""Pixels of a PNG for one of the picture: sharp on today's screens."""
_MOST_POINTS: Final = 20_000

PngFile = Annotated[
    Path | None, typer.Option("--png", metavar="FILE", help="Also draw it into this file; needs the extra charts.")
]
SvgFile = Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="The same, as SVG.")]
HtmlFile = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="The same, as a page that works without a network.")
]
Dark = Annotated[bool, typer.Option("--dark", help="Draw on black.")]


def draw(
    rows: Sequence[Any],
    make: Callable[..., Specification],
    *,
    title: str,
    files: tuple[Path | None, Path | None, Path | None],
    dark: bool,
) -> tuple[str, ...]:
    """Draw rows into the files that are named (PNG, SVG, HTML); returns what a person has to hear of it.

    Each file is written beside its place and renamed; devices and pipes are written as they are. Raises
    `ConfigurationError` without the extra, `UsageError` where nothing can be written there, two are the same file or
    the rows are too many to be seen, and `OutputError` where the disk refuses more.
    """
    wanted = [(kind, path) for kind, path in zip(("png", "svg", "html"), files, strict=True) if path is not None]
    if not wanted:
        if dark:
            raise UsageError("--dark is for pictures: name a file with --png, --svg or --html.")
        return ()
    converter = _converter()
    _require_places(wanted)
    if not rows:
        return ("Nothing was drawn: there is nothing in the answer.",)
    if len(rows) > _MOST_POINTS:
        raise UsageError(
            f"{counted(len(rows), 'row')} are more than a picture shows: give a shorter span, or --by day."
        )
    specification = make(rows, title=title, dark=dark)
    for kind, path in wanted:
        _write(path, _drawn(converter, specification, kind))
    return ()


def _converter() -> Any:
    try:
        return import_module("vl_convert")
    except ImportError as error:
        raise ConfigurationError(
            f"Pictures need vl-convert-python, which can't be loaded ({error}). Install it with ironforge: "
            "pip install 'ironforge-cli[charts]'."
        ) from error


def _drawn(converter: Any, specification: Specification, kind: str) -> bytes:
    match kind:
        case "png":
            return converter.vegalite_to_png(specification, scale=_SCALE)
        case "svg":
            return converter.vegalite_to_svg(specification).encode()
        case _:
            # The program that draws travels in the page.
            return converter.vegalite_to_html(specification, bundle=True).encode()


def _write(path: Path, content: bytes) -> None:
    from ironforge_cli.tell.files import written_whole  # noqa: PLC0415 - no answer without a picture writes a file

    with written_whole(path) as stream:
        stream.write(content)


def _require_places(wanted: Sequence[tuple[str, Path]]) -> None:
    """Raise `UsageError` where a picture would take the place of another one, or its path names nobody's home."""
    kinds: dict[Path, str] = {}
    for kind, path in wanted:
        place = named_place(path).resolve()
        if place in kinds:
            raise UsageError(f"--{kinds[place]} and --{kind} name the same file, {path}: give each a name of its own.")
        kinds[place] = kind

"""Options' values that are plain to read are read here: Typer reads all by a library that takes longer than a command.

What is not plain, and what is wrong, is left to Typer, whose rules and words stay the only ones. Where a version of
Typer is made otherwise, it reads everything, and is only slower.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, cast, get_args, get_origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MOST_DIGITS: Final = 18
_READER: Final = "_runtime_param"


class NotPlainError(Exception):
    """A value that Typer has to read."""


def read_plainly(parameters: Iterable[Any]) -> None:
    """Let a command's parameters read plain values without Typer's library."""
    for parameter in parameters:
        if getattr(parameter, _READER, parameter) is None:
            setattr(parameter, _READER, _PlainReader(parameter))


def plain(value: Any, annotation: Any, info: Any) -> Any:
    """What Typer would make of a value, as it would. Raises `NotPlainError` where only Typer can tell.

    >>> import typer
    >>> info = typer.Option("--limit", min=1)
    >>> plain("20", int, info), plain(None, int, info)
    (20, None)
    >>> plain("0", int, info)
    Traceback (most recent call last):
    ironforge_cli.cli.frame.plain_values.NotPlainError
    """
    if value is None:
        return None
    if get_origin(annotation) is list and isinstance(value, list | tuple):
        return [plain(one, get_args(annotation)[0], info) for one in cast("Sequence[object]", value)]
    if info.parser is not None:
        return _parsed(value, info.parser)
    if not isinstance(annotation, type):
        raise NotPlainError
    if issubclass(annotation, StrEnum) and value in list(annotation):
        return annotation(value)
    if annotation is int:
        return _number(value, info)
    if annotation is str and isinstance(value, str) and value.isprintable() and not _is_path(info):
        return value
    raise NotPlainError


def _parsed(value: Any, parser: Any) -> Any:
    if not isinstance(value, str):
        raise NotPlainError
    try:
        return parser(value)
    except Exception as error:
        # Whatever is wrong with it: Typer asks the same parser, and tells.
        raise NotPlainError from error


def _number(value: Any, info: Any) -> int:
    is_digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS
    if not (type(value) is int or is_digits):
        raise NotPlainError
    number = int(value)
    if (info.min is not None and number < info.min) or (info.max is not None and number > info.max):
        raise NotPlainError
    return number


def _is_path(info: Any) -> bool:
    return bool(info.exists or info.resolve_path or info.path_type)


class _PlainReader:
    """Stands where Typer keeps what reads a parameter's values, until a value comes that is not plain."""

    def __init__(self, parameter: Any) -> None:
        self._parameter = parameter

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Read a value; what none is, is an empty list for parameters that take several."""
        descriptor = param.type_descriptor
        if value is None and (param.multiple or param.nargs == -1):
            return ()
        try:
            return plain(value, descriptor.annotation, descriptor.parameter_info)
        except NotPlainError:
            setattr(self._parameter, _READER, None)
            return self._parameter.get_runtime_param().coerce(value, param=param, ctx=ctx)

"""What a plain value is made of: a class that is there in a fiftieth of the time that a frozen dataclass takes.

Python writes a dataclass's methods as text and compiles them at each start, which takes about a millisecond a class;
msgspec's are made in C. Modules that every start of a command imports use these, the others dataclasses.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_AnyValue = TypeVar("_AnyValue", bound="Value | DataclassInstance")


class Value(msgspec.Struct, frozen=True):
    """A value of named fields that never changes: equal by what it holds, and hashed by that. It is never decoded.

    >>> class Price(Value, frozen=True):
    ...     copper: int
    >>> Price(5) == Price(copper=5)
    True
    """


def replace(value: _AnyValue, /, **changes: Any) -> _AnyValue:
    """The same but for some fields, of a value as of a dataclass.

    >>> class Price(Value, frozen=True):
    ...     copper: int
    ...     units: int
    >>> replace(Price(5, 7), units=8)
    Price(copper=5, units=8)
    """
    if isinstance(value, msgspec.Struct):
        return cast("_AnyValue", msgspec.structs.replace(value, **changes))
    return dataclasses.replace(value, **changes)

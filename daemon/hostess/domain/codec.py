"""Frozen dataclasses to JSON values and back, driven by their annotations; what the journal keeps outlives the program that wrote it.

Written: every field, times as ISO 8601, durations in seconds, enumerations by value, mapping keys as text. Read: an absent field takes
its default and an unknown one is passed over, so that records of a somewhat older or newer version can be read.
"""

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")
Json = Any
"""None, bool, int, float, str, and lists and string-keyed dicts of them."""
Annotation = Any
"""What stands behind the colon of a field; it has no better type."""
Reader = Callable[[Json], object]


class CodecError(ValueError):
    """A record does not have the shape of the value it is to be read as; the message begins with the path to the fault."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.message = message
        self.path = path

    def below(self, name: str) -> "CodecError":
        """Return the same error, seen from one level further up."""
        return CodecError(self.message, f"{name}.{self.path}" if self.path else name)


def to_json(value: object) -> Json:
    """Return *value* in JSON's own types; TypeError for what has no JSON form."""
    if isinstance(value, Mapping):
        return {str(to_json(key)): to_json(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [to_json(each) for each in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: to_json(getattr(value, each.name)) for each in fields(value)}
    return _scalar_to_json(value)


def from_json(kind: type[T], data: object) -> T:
    """Return the value of type *kind* that `to_json` wrote as *data*; CodecError when it does not fit."""
    return cast("T", _reader(cast("Annotation", kind))(data))


def _scalar_to_json(value: object) -> Json:
    match value:
        case Enum():
            return value.value
        case None | bool() | str() | int() | float():
            return value
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
    raise TypeError(f"{type(value).__name__} has no JSON form")


@cache
def _reader(kind: Annotation) -> Reader:
    """Return the function that reads JSON as *kind*; made once per annotation."""
    origin: Annotation = get_origin(kind)
    arguments = get_args(kind)
    if origin is None:
        return _plain_reader(kind)
    if origin in {Union, types.UnionType}:
        return _optional(arguments)
    if origin is tuple and arguments[1:] == (...,):
        return _sequence(arguments[0])
    if issubclass(origin, Mapping):
        return _mapping(*arguments)
    raise TypeError(f"{kind} cannot be read from JSON")


def _plain_reader(kind: Annotation) -> Reader:
    if kind in _SCALARS:
        return _SCALARS[kind]
    if is_dataclass(kind):
        return _record(cast("type", kind))
    if issubclass(kind, Enum):
        return _fitting(kind, str, int)
    raise TypeError(f"{kind} cannot be read from JSON")


def _optional(arguments: tuple[Annotation, ...]) -> Reader:
    inner = [each for each in arguments if each is not types.NoneType]
    if len(inner) != 1 or len(arguments) != len(inner) + 1:
        raise TypeError("of the unions only `X | None` can be read from JSON")
    read = _reader(inner[0])
    return lambda data: None if data is None else read(data)


def _sequence(item: Annotation) -> Reader:
    read = _reader(item)

    def sequence(data: object) -> tuple[Any, ...]:
        if not isinstance(data, list):
            raise CodecError(f"a list is expected, not {type(data).__name__}")
        return tuple(_at(f"[{index}]", read, each) for index, each in enumerate(data))

    return sequence


def _mapping(key: Annotation, item: Annotation) -> Reader:
    # JSON knows keys of text only: int and enumerations are read from their text.
    read_key = _fitting(key, str)
    read = _reader(item)

    def mapping(data: object) -> dict[Any, Any]:
        return {_at(name, read_key, name): _at(name, read, each) for name, each in _object(data).items()}

    return mapping


def _record(kind: type) -> Reader:
    hints = get_type_hints(kind)
    readers = {each.name: _reader(hints[each.name]) for each in fields(kind)}
    required = [each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING]

    def record(data: object) -> object:
        given = _object(data)
        missing = [name for name in required if name not in given]
        if missing:
            raise CodecError(f"{kind.__name__} without {', '.join(missing)}")
        return kind(**{name: _at(name, read, given[name]) for name, read in readers.items() if name in given})

    return record


def _object(data: object) -> dict[str, object]:
    if not isinstance(data, dict):
        raise CodecError(f"an object is expected, not {type(data).__name__}")
    return data


def _at(name: str, read: Reader, data: object) -> object:
    try:
        return read(data)
    except CodecError as error:
        raise error.below(name) from None


def _fitting(make: Callable[[Any], Any], *accepted: type) -> Reader:
    """Return a reader that checks the JSON type first, then makes the value of it."""

    def fitting(data: object) -> object:
        if type(data) not in accepted:
            raise CodecError(f"{type(data).__name__} is not expected here")
        try:
            return make(data)
        except (ValueError, OverflowError) as error:
            raise CodecError(str(error)) from error

    return fitting


_SCALARS: Mapping[Annotation, Reader] = {
    object: lambda data: data,
    str: _fitting(str, str),
    bool: _fitting(bool, bool),
    int: _fitting(int, int),
    float: _fitting(float, int, float),
    datetime: _fitting(datetime.fromisoformat, str),
    timedelta: _fitting(lambda seconds: timedelta(seconds=seconds), int, float),
}

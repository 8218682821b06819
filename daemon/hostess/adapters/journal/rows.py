"""Values to rows and back. Small values have a column per field, releases and deployments are one JSON column."""

import json
from collections.abc import Mapping
from typing import TypeVar

from hostess.domain.codec import CodecError, from_json, to_json
from hostess.domain.problem import Problem

T = TypeVar("T")

_JSON_COLUMNS = frozenset({"data", "detail", "payload", "projects"})


def to_text(value: object) -> str:
    """Return *value* as JSON text; TypeError or ValueError for what has no JSON form."""
    return json.dumps(to_json(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def from_text(kind: type[T], text: str) -> T:
    """Return the value of type *kind* in a JSON column; Problem "record-unreadable" when it does not fit."""
    return _read(kind, json.loads(text))


def to_row(value: object) -> dict[str, object]:
    """Return a value's columns, as parameters of a statement."""
    columns: dict[str, object] = to_json(value)
    return {name: to_text(each) if name in _JSON_COLUMNS else each for name, each in columns.items()}


def from_row(kind: type[T], row: Mapping[str, object]) -> T:
    """Return the value of type *kind* that `to_row` made the row of; Problem "record-unreadable" when it does not fit."""
    return _read(kind, {name: json.loads(str(each)) if name in _JSON_COLUMNS else each for name, each in row.items()})


def _read(kind: type[T], data: object) -> T:
    try:
        return from_json(kind, data)
    except CodecError as error:
        raise Problem(
            "record-unreadable",
            f"a {kind.__name__.lower()} in the journal cannot be read: {error}",
            remedy="was it written by a newer version of Hostess? Install that one again; nothing was changed",
        ) from error

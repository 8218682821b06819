"""Data to models with every mistake at once: what pydantic refuses is noted, cut out, and the rest is checked again.

So one wrong key does not hide what is wrong elsewhere, and the rules over several values still see the good parts.
"""

import copy
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hostess.domain.hostess_yml.findings import Findings
from hostess.domain.hostess_yml.forms import Part
from hostess.domain.hostess_yml.mistakes import Path, WrongValue, did_you_mean
from hostess.domain.hostess_yml.reading import at
from hostess.domain.hostess_yml.values import kind_of

Model = TypeVar("Model", bound=Part)

MERGE = "<<"
"""The key that other readers of YAML take for "and all of these"."""

_ROUNDS = 40
_MOST_HINTS = 60
_SHORT_LIST = 8
_SENTENCES: Mapping[str, str] = {
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "too_short": "needs at least one entry",
}
_KINDS: Mapping[str, str] = {
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dict_type": "a mapping",
    "list_type": "a list",
}


def shaped(model: type[Model], data: object, prefix: Path, findings: Findings) -> Model | None:
    """Return the model of what is right in *data*, which stands at *prefix*; None when nothing usable is left."""
    rest = copy.deepcopy(data)
    for _ in range(_ROUNDS):
        try:
            return model.model_validate(rest)
        except ValidationError as error:
            judged = {_judge(model, details, rest, prefix, findings) for details in error.errors(include_url=False)}
        cuts = [cut for cut in judged if cut is not None]
        if () in cuts:
            return None
        for cut in sorted(cuts, key=_order, reverse=True):
            _cut(rest, cut, prefix, findings)
    return None


def _order(path: Path) -> list[tuple[str, str]]:
    """Return a sorting key: what stands later in a list comes later, so that cutting from the end keeps indexes right."""
    return [(type(step).__name__, str(step).zfill(6)) for step in path]


def _judge(model: type[Part], error: ErrorDetails, data: object, prefix: Path, findings: Findings) -> Path | None:
    """Note one mistake unless its place is spoilt already; return what must be cut out, None when it was mended instead."""
    loc: Path = tuple(step for step in error["loc"] if not (isinstance(step, str) and step.startswith("\x00")))
    if error["type"] == "missing":
        if not findings.is_spoilt(*prefix, *loc):
            findings.add((*prefix, *loc), "is required", _missing_hint(data, loc), key=True)
        return None if _stood_in(model, data, loc) else loc[:-1]
    wrong_key = error["type"] == "extra_forbidden" or loc[-1:] == ("[key]",)
    loc = loc[:-1] if loc[-1:] == ("[key]",) else loc
    message, hint, below = _sentence(model, error, loc, data, findings)
    if not findings.is_spoilt(*prefix, *loc):
        findings.add((*prefix, *loc, *below), message, hint, key=wrong_key)
    return loc


def _stood_in(model: type[Part], data: object, loc: Path) -> bool:
    """Whether a missing value could be replaced by a harmless one, so that its neighbours are still checked."""
    holder, key = at(data, loc[:-1]), str(loc[-1])
    stand_in = next((part.stand_ins[key] for part in _models_at(model, loc[:-1]) if key in part.stand_ins), None)
    if stand_in is None or not isinstance(holder, dict):
        return False
    holder[key] = stand_in
    return True


def _sentence(
    model: type[Part], error: ErrorDetails, loc: Path, data: object, findings: Findings
) -> tuple[str, str, Path]:
    context = error.get("ctx", {})
    kind = error["type"]
    if kind == "extra_forbidden":
        hint = _key_hint(model, loc) if len(findings.mistakes) < _MOST_HINTS else ""
        return "is an unknown key", hint, ()
    if kind == "value_error" and isinstance(context.get("error"), WrongValue):
        wrong: WrongValue = context["error"]
        return wrong.message, wrong.hint, wrong.below
    value = at(data, loc)
    if kind in _KINDS:
        shorthand = next((part.shorthand for part in _models_at(model, loc) if part.shorthand), "")
        return _kind_sentence(_KINDS[kind], value, shorthand)
    if kind == "form":
        message, hint, _ = _kind_sentence("a list", value)
        return f"{error['msg']}, {message.partition(', ')[2]}", hint if " list" in error["msg"] else "", ()
    return _SENTENCES.get(kind, error["msg"]).format(**context), "", ()


def _kind_sentence(wanted: str, value: object, shorthand: str = "") -> tuple[str, str, Path]:
    hint = ""
    if isinstance(value, str) and value.isprintable() and wanted == "a list":
        hint = f"write [{value}]" if "," not in value else "write it as a list"
    elif isinstance(value, str) and value.isprintable() and shorthand:
        hint = f"write {{{shorthand}: {value}}}"
    elif isinstance(value, list) and value and all(isinstance(item, str) and "=" in item for item in value):
        hint = "write each entry as NAME: value"
    return f"needs {wanted}, not {'nothing' if value is None else kind_of(value)}", hint, ()


def _missing_hint(data: object, loc: Path) -> str:
    if loc == ("services",):
        return "name at least one service below services:"
    parent = at(data, loc[:-1])
    return (
        "it is written here in another case"
        if isinstance(parent, dict) and str(loc[-1]) in map(str.lower, parent)
        else ""
    )


def _key_hint(model: type[Part], loc: Path) -> str:
    """Return what the person probably meant by an unknown key."""
    parts = list(_models_at(model, loc[:-1]))
    key = str(loc[-1])
    if key == MERGE:
        return "merge keys are not supported: write the values out"
    known = [name for part in parts for name in part.model_fields]
    for part in parts:
        if key in part.instead:
            return f"did you mean {part.instead[key]}?"
        if key in part.without:
            return part.without[key]
    near = did_you_mean(key, known)
    if near or len(known) > _SHORT_LIST:
        return near
    return f"known here: {', '.join(known)}"


def _models_at(annotation: Any, path: Path) -> Iterator[type[Part]]:  # noqa: ANN401 -- annotations have no better type
    """Yield the models that a value at *path* below an annotation can be."""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        if not path:
            yield annotation
        elif path[0] in annotation.model_fields:
            yield from _models_at(annotation.model_fields[str(path[0])].annotation, path[1:])
        return
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        yield from _models_at(arguments[0], path)
    elif origin in {typing.Union, types.UnionType}:
        for argument in arguments:
            yield from _models_at(argument, path)
    elif origin in {dict, list} and path:
        yield from _models_at(arguments[-1], path[1:])


def _cut(data: object, path: Path, prefix: Path, findings: Findings) -> None:
    """Take what is at *path* out of the data; nothing happens when it is gone already."""
    holder, last = at(data, path[:-1]), path[-1]
    if isinstance(holder, dict) and isinstance(last, str):
        holder.pop(last, None)
    elif isinstance(holder, list) and isinstance(last, int) and last < len(holder):
        findings.cut((*prefix, *path), len(holder))
        holder.pop(last)

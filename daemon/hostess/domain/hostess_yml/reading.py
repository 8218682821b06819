"""YAML text to plain data in which every key and value knows its place, and nothing is guessed from a token.

Read from the parser's events, not from its loader: so duplicate keys, anchors and tags are all found with their places, depth
is bounded before anything recurses, and `3.10` keeps its source text.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from hostess.domain.hostess_yml.mistakes import InvalidStack, Mistake, Path, dotted

LARGEST = 64 * 1024
"""The most bytes that a hostess.yml may have."""

DEEPEST = 16
"""The most levels that mappings and lists may be nested."""

Place = tuple[int, int]
"""Line and column, from 1."""

_NULL = re.compile(r"null|Null|NULL|~|")
_FLAG = re.compile(r"true|True|TRUE|false|False|FALSE")
_WHOLE = re.compile(r"[-+]?[0-9]{1,18}|0o[0-7]{1,18}|0x[0-9a-fA-F]{1,15}")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,4})?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_UNREADABLE = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPOILT = re.compile(r"[\x00\ud800-\udfff]")

# Errors that the scanner is known to raise for damaged input besides its own.
_SCANNER_ERRORS = (YAMLError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Token:
    """A plain scalar that YAML 1.2 reads as a number or a truth value, with the text that stands in the file."""

    text: str
    value: bool | int | float


Tree = str | Token | None | list["Tree"] | dict[str, "Tree"]
"""What a file holds: quoted and other text as str, numbers and truth values as Token, nothing as None."""


@dataclass(slots=True)
class Document:
    """A file's data and where its parts stand. *mistakes* are those of notation; the data is what is left without them."""

    name: str
    data: dict[str, Tree] = field(default_factory=dict)
    places: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    spoilt: set[Path] = field(default_factory=set)

    def add(self, place: Place, path: Path, message: str, hint: str = "") -> None:
        """Note a mistake; what is at *path* is not to be judged again."""
        self.spoilt.add(path)
        self.mistakes.append(Mistake(*place, dotted(path), message, hint, file=self.name))


@dataclass(slots=True)
class Level:
    """A mapping or list that is being read. *key* is the key whose value comes next.

    What stands under a repeated or impossible key is read to its end, but *dropped*; *skip* says so of the next value only.
    """

    node: dict[str, Tree] | list[Tree]
    path: Path
    key: str | None = None
    skip: bool = False
    dropped: bool = False


def read(source: bytes | str, name: str, reader_type: "type[Reader] | None" = None) -> Document:
    """Return the file's data; InvalidStack when the text cannot be read as one YAML mapping at all.

    *reader_type* is for files with rules of their own.
    """
    document = Document(name)
    text = _decoded(source, document)
    reader = (reader_type or Reader)(document)
    try:
        for event in _events(text):
            if not reader.take(event):
                break
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        document.add(place, (), *_sentence(error.problem or error.context or "", text, place))
    except _SCANNER_ERRORS:
        document.add(reader.last, (), "cannot be read as YAML from here on", "look for a wrong escape or quote nearby")
    reader.finish()
    if reader.broken:
        raise InvalidStack(document.mistakes, name)
    return document


def _decoded(source: bytes | str, document: Document) -> str:
    """Return the text, or raise InvalidStack for what is no text."""
    raw = source.encode("utf-8", "surrogatepass") if isinstance(source, str) else source
    if len(raw) > LARGEST:
        document.add((1, 1), (), f"is larger than {LARGEST // 1024} KB", "move long scripts into files of their own")
        raise InvalidStack(document.mistakes, document.name)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        document.add(_place_of(raw[: error.start].decode("utf-8", "replace")), (), "is not UTF-8 text")
        raise InvalidStack(document.mistakes, document.name) from None
    strange = _UNREADABLE.search(text)
    if strange:
        what = f"holds the control character U+{ord(strange[0]):04X}"
        document.add(_place_of(text[: strange.start()]), (), what)
        raise InvalidStack(document.mistakes, document.name)
    return text


def _place_of(before: str) -> Place:
    """Return the place that comes right after the text *before*."""
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _events(text: str) -> Iterator[Event]:
    yield from YAML(typ="safe", pure=True).parse(text)


def _sentence(problem: str, text: str, place: Place) -> tuple[str, str]:
    """Return the scanner's complaint as message and hint."""
    lines = text.split("\n")
    line = lines[place[0] - 1] if place[0] <= len(lines) else ""
    if "\t" in line[: place[1]]:
        return "a tab stands where YAML wants spaces", "indent with spaces"
    if "mapping values" in problem:
        return "a colon makes a second key here", "put the value in quotes, or check the indentation"
    return f"is not valid YAML: {' '.join(problem.split())[:120]}", "check indentation, quotes and brackets above"


class Reader:
    """Builds a document from parser events, on a stack of its own."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.last: Place = (1, 1)
        self.broken = False
        self.levels: list[Level] = []
        self._root: Tree = None
        self._documents = 0

    def take(self, event: Event) -> bool:
        """Take in one event; False when reading must stop."""
        self.last = _start(event)
        if isinstance(event, DocumentStartEvent):
            return self._begin_document()
        if isinstance(event, CollectionEndEvent):
            self.levels.pop()
        elif isinstance(event, NodeEvent):
            return self._node(event)
        return True

    def finish(self) -> None:
        """Note what is wrong with the document as a whole."""
        if isinstance(self._root, dict):
            self.document.data = self._root
            self.broken = bool(self.document.mistakes) and bool(self.levels)
            return
        self.broken = True
        if not self.document.mistakes:
            empty = self._root is None
            hint = "the smallest one has `services:` with one service"
            self.document.add((1, 1), (), "is empty" if empty else "must be a mapping with `services:`", hint)

    def _begin_document(self) -> bool:
        self._documents += 1
        if self._documents > 1:
            self.document.add(self.last, (), "a second document begins here", "keep one document in the file")
        return self._documents == 1

    def _node(self, event: NodeEvent) -> bool:
        level = self.levels[-1] if self.levels else None
        if level is not None and isinstance(level.node, dict) and level.key is None:
            return self._key(level, event)
        path = self._path(level)
        self.refuse_notation(event, path)
        value = self.value(event, path)
        self._place(level, path, value)
        if isinstance(event, CollectionStartEvent) and isinstance(value, dict | list):
            self.levels.append(Level(value, path, dropped=level is not None and (level.skip or level.dropped)))
        if level is not None:
            level.skip = False
        if len(self.levels) > DEEPEST:
            self.document.add(self.last, path[:3], f"is nested more than {DEEPEST} levels deep")
            return False
        return True

    def _key(self, level: Level, event: NodeEvent) -> bool:
        if not isinstance(event, ScalarEvent):
            what = "an alias" if isinstance(event, AliasEvent) else "a list or mapping"
            self.document.add(self.last, level.path, f"{what} cannot be a key", "keys are plain text")
            self.broken = True
            return False
        key: str = event.value
        path = (*level.path, key)
        self.refuse_notation(event, path)
        level.key = key
        level.skip = True
        if not key.isprintable():
            self.document.add(self.last, path, "is a key with characters that cannot be used")
        elif isinstance(level.node, dict) and key in level.node:
            line = self.document.keys.get(path, self.last)[0]
            self.document.add(self.last, path, f"is written twice (first on line {line})", "keep one of the two")
        else:
            level.skip = False
            if not level.dropped:
                self.document.keys[path] = self.last
        return True

    def _path(self, level: Level | None) -> Path:
        if level is None:
            return ()
        return (*level.path, len(level.node) if isinstance(level.node, list) else level.key or "")

    def _place(self, level: Level | None, path: Path, value: Tree) -> None:
        if level is None:
            self._root = value
            self.document.places[path] = self.last
            return
        if isinstance(level.node, list):
            level.node.append(value)
        elif not level.skip:
            level.node[level.key or ""] = value
        level.key = None
        if not level.skip and not level.dropped:
            self.document.places[path] = self.last

    def refuse_notation(self, event: NodeEvent, path: Path) -> None:
        """Note what the file must not use."""
        if isinstance(event, AliasEvent):
            self.document.add(self.last, path, "aliases are not supported", "write the value out")
        elif event.anchor is not None:
            self.document.add(self.last, path, "anchors are not supported", "write the value out where it is needed")
        self.refuse_tags(event, path)

    def refuse_tags(self, event: NodeEvent, path: Path) -> None:
        """Note a tag."""
        if getattr(event, "ctag", None) is not None or getattr(event, "tag", None) is not None:
            self.document.add(
                self.last, path, "tags such as !!str are not supported", "quote the value to make it text"
            )

    def value(self, event: NodeEvent, path: Path) -> Tree:
        """Return what a node means; lists and mappings are filled afterwards."""
        if isinstance(event, MappingStartEvent):
            return {}
        if isinstance(event, SequenceStartEvent):
            return []
        if not isinstance(event, ScalarEvent):
            return None
        text: str = event.value
        if _SPOILT.search(text):
            self.document.add(
                self.last, path, "holds characters that cannot be used", "leave out \\0 and \\ud800-\\udfff"
            )
            return ""
        return plain(text) if event.style is None or event.style == "" else text


def _start(event: Event) -> Place:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def plain(text: str) -> Tree:
    """Return what a token without quotes means by the core schema of YAML 1.2."""
    if _NULL.fullmatch(text):
        return None
    if _FLAG.fullmatch(text):
        return Token(text, text.lower() == "true")
    if _WHOLE.fullmatch(text):
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return Token(text, int(text, base))
    if _NUMBER.fullmatch(text):
        return Token(text, float(text.lower().replace(".inf", "inf").replace(".nan", "nan")))
    return text


def at(data: object, path: Path) -> object:
    """Return the part of a tree at *path*; None where there is none."""
    node = data
    for step in path:
        if isinstance(node, dict):
            node = node.get(step)
        elif isinstance(node, list) and isinstance(step, int) and step < len(node):
            node = node[step]
        else:
            return None
    return node


def names_in(document: Document, key: str) -> Mapping[str, Tree]:
    """Return the entries of a top-level mapping, in the file's order; none when it is no mapping."""
    node = document.data.get(key)
    return node if isinstance(node, dict) else {}

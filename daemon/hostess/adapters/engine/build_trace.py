"""What BuildKit says while it builds: its protobuf messages decoded as far as needed, and told as lines for people.

BuildKit sends `StatusResponse` messages (field 1: vertexes, 3: log pieces). A vertex is one step of the build: it is announced,
started, completed, perhaps from the cache, perhaps with an error; each message repeats all that is known of it.
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

VERTEXES, OUTPUTS = 1, 3
STARTED, COMPLETED = 5, 6
MORE = 0x80
LONGEST = 1000
"""Characters of a line that are told; what comes after is counted."""
TAIL = 30
QUIET = ("[internal] ", "copy /context", "resolve image config", "exporting layers", "writing image", "naming to")
"""How steps begin that are BuildKit's own affair."""
COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*\x07|[\x00-\x08\x0b\x0c\x0e-\x1f]")


@dataclass(frozen=True, slots=True)
class Vertex:
    """One step of a build, as far as it is known."""

    digest: str
    name: str = ""
    cached: bool = False
    started: bool = False
    completed: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """A piece of what a step wrote; it may end anywhere."""

    vertex: str
    text: str


@dataclass(frozen=True, slots=True)
class Trace:
    """One message."""

    vertexes: tuple[Vertex, ...] = ()
    outputs: tuple[Output, ...] = ()


def decode(data: bytes) -> Trace:
    """Return the message that *data* holds; ValueError when it holds none."""
    vertexes, outputs = [], []
    for number, value in fields(data):
        if number == VERTEXES and isinstance(value, bytes):
            vertexes.append(decode_vertex(value))
        elif number == OUTPUTS and isinstance(value, bytes):
            outputs.append(decode_output(value))
    return Trace(tuple(vertexes), tuple(outputs))


def decode_vertex(data: bytes) -> Vertex:
    """Return a vertex: 1 digest, 3 name, 4 cached, 5 started, 6 completed, 7 error."""
    found = dict(fields(data))
    return Vertex(
        digest=text(found.get(1)),
        name=text(found.get(3)),
        cached=bool(found.get(4)),
        started=STARTED in found,
        completed=COMPLETED in found,
        error=text(found.get(7)),
    )


def decode_output(data: bytes) -> Output:
    """Return a log piece: 1 vertex, 4 message."""
    found = dict(fields(data))
    return Output(text(found.get(1)), text(found.get(4)))


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field of a protobuf message."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        match tag & 7:
            case 0:
                value, at = varint(data, at)
                yield tag >> 3, value
                continue
            case 1:
                length = 8
            case 2:
                length, at = varint(data, at)
            case 5:
                length = 4
            case kind:
                raise ValueError(f"no protobuf field has the wire type {kind}")
        if at + length > len(data):
            raise ValueError("a protobuf field ends after its message")
        yield tag >> 3, data[at : at + length]
        at += length


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at *at*, and where it ends."""
    value = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & MORE:
            return value, at
        shift += 7
    raise ValueError("a protobuf number has no end")


def text(value: int | bytes | None) -> str:
    """Return a field's text; absent and wrongly typed ones are empty."""
    return value.decode(errors="replace") if isinstance(value, bytes) else ""


class Narrator:
    """Tells a build: each step once, when it starts; from the cache or not; what it writes, line by line."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._told: set[str] = set()
        self._begun: dict[str, str] = {}
        self._speaking = ""
        self._tails: dict[str, deque[str]] = {}
        self._last = ""
        self.failed: Vertex | None = None

    def hear(self, trace: Trace) -> list[str]:
        """Return the lines that this message is worth."""
        lines: list[str] = []
        for vertex in trace.vertexes:
            lines += self._step(vertex)
        for output in trace.outputs:
            lines += self._written(output)
        return lines

    @property
    def step(self) -> str:
        """The name of the step that failed, else of the one that spoke last."""
        return self.failed.name if self.failed else self._names.get(self._speaking, "")

    def tail(self) -> tuple[str, ...]:
        """Return the last lines of the step that failed, else of the one that wrote last."""
        spoke = self.failed.digest if self.failed else self._last
        return tuple(self._tails.get(spoke, ()))

    def _step(self, vertex: Vertex) -> list[str]:
        self._names[vertex.digest] = name = shown(vertex.name)
        lines = self._ended(vertex.digest) if vertex.completed else []
        if vertex.error and "context canceled" not in vertex.error and self.failed is None:
            self.failed = vertex
        if vertex.digest in self._told or not vertex.started or name.startswith(QUIET):
            return lines
        self._told.add(vertex.digest)
        self._speaking = vertex.digest
        return [*lines, f"{name} (cached)" if vertex.cached else name]

    def _written(self, output: Output) -> list[str]:
        digest = output.vertex
        *whole, self._begun[digest] = (self._begun.get(digest, "") + output.text).split("\n")
        if len(self._begun[digest]) > 4 * LONGEST:
            whole.append(self._begun.pop(digest))
        return self._say(digest, whole)

    def _ended(self, digest: str) -> list[str]:
        begun = self._begun.pop(digest, "")
        return self._say(digest, [begun]) if begun else []

    def _say(self, digest: str, written: list[str]) -> list[str]:
        lines = [bounded(plain(line)) for line in written]
        if not lines:
            return []
        self._last = digest
        self._tails.setdefault(digest, deque(maxlen=TAIL)).extend(lines)
        heading = []
        if digest != self._speaking and digest in self._names:
            heading = [self._names[digest]]  # steps run side by side: whose line this is
            self._speaking = digest
            self._told.add(digest)
        return [*heading, *(f"  {line}" for line in lines)]


def shown(name: str) -> str:
    """Return a step's name on one line."""
    return bounded(" ".join(name.split()))


def plain(line: str) -> str:
    """Return a line as a terminal would leave it: what was overwritten is gone, and so are colours."""
    return COLOURS.sub("", line.rstrip("\r").rpartition("\r")[2]).expandtabs(4)


def bounded(line: str) -> str:
    """Return a line of bearable length."""
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}... ({len(line) - LONGEST} more characters)"

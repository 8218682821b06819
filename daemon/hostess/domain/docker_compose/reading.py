"""Compose files to plain data: as careful as with hostess.yml, but anchors, aliases and merge keys are followed, within bounds."""

from ruamel.yaml.events import AliasEvent, NodeEvent

from hostess.domain.hostess_yml.mistakes import InvalidStack, Path, quoted
from hostess.domain.hostess_yml.reading import Document, Reader, Token, Tree, read
from hostess.domain.problem import Problem

MOST_NODES = 20_000
"""How many values aliases may add to a file, in all."""

_DEEPEST = 64
_MERGE = "<<"


def read_compose(source: bytes | str, name: str) -> dict[str, Tree]:
    """Return the file's data, merge keys carried out; Problem "invalid-compose" with the place for what cannot be read."""
    try:
        document = read(source, name, _Following)
    except InvalidStack as invalid:
        raise _problem(invalid) from None
    if document.mistakes:
        raise _problem(InvalidStack(document.mistakes, name))
    return {key: _merged(value) for key, value in document.data.items()}


def scalar(value: Tree) -> str | None:
    """Return the text of a scalar, as it stands in the file; None for anything else."""
    return value.text if isinstance(value, Token) else value if isinstance(value, str) else None


def mapping(value: Tree) -> dict[str, Tree]:
    """Return a mapping; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def items(value: Tree) -> list[Tree]:
    """Return a list; one of a single scalar; an empty one for anything else."""
    if isinstance(value, list):
        return value
    return [] if value is None or isinstance(value, dict) else [value]


def _problem(invalid: InvalidStack) -> Problem:
    first = invalid.mistakes[0]
    what = f"{first.path}: {first.message}" if first.path else first.message
    return Problem(
        "invalid-compose",
        what,
        remedy=f"{first.hint or 'correct the file'}; `docker compose config` shows what Compose makes of it",
        place=f"{first.file}:{first.line}:{first.column}",
    )


class _Following(Reader):
    """Reads a file whose aliases mean what they point at. All that they add is counted, so that no file grows without end."""

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self._anchors: dict[str, Tree] = {}
        self._left = MOST_NODES

    def refuse_notation(self, event: NodeEvent, path: Path) -> None:
        """Note tags only."""
        self.refuse_tags(event, path)

    def value(self, event: NodeEvent, path: Path) -> Tree:
        """Return what a node means; for an alias what it points at."""
        if isinstance(event, AliasEvent):
            return self._followed(event.anchor, path)
        found = super().value(event, path)
        if event.anchor is not None:
            self._anchors[event.anchor] = found
        return found

    def _followed(self, anchor: str, path: Path) -> Tree:
        if anchor not in self._anchors:
            self.document.add(self.last, path, f"points at {quoted(anchor)}, which comes nowhere before")
            return None
        found = self._anchors[anchor]
        if any(level.node is found for level in self.levels):
            self.document.add(self.last, path, "is part of what it points at")
            return None
        if not self._afforded(found, 1):
            self.document.add(self.last, path, "aliases make this file too large", "write it without them")
            self._left = 0
            return None
        return found

    def _afforded(self, node: Tree, depth: int) -> bool:
        """Take a node and all below it from what is left; False when it is too much."""
        self._left -= 1
        if self._left < 0 or depth > _DEEPEST:
            return False
        below = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        return all(self._afforded(part, depth + 1) for part in below)


def _merged(node: Tree) -> Tree:
    if isinstance(node, list):
        return [_merged(item) for item in node]
    if not isinstance(node, dict):
        return node
    own = {key: _merged(value) for key, value in node.items() if key != _MERGE}
    for source in items(node.get(_MERGE)) or [node.get(_MERGE)]:
        for key, value in mapping(_merged(source)).items():
            own.setdefault(key, value)
    return own

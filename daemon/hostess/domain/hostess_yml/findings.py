"""Everything found wrong with one file so far, each thing said once and at its place."""

from dataclasses import dataclass, field

from hostess.domain.hostess_yml.mistakes import Mistake, Path, dotted
from hostess.domain.hostess_yml.reading import Document, Place, Token, at


@dataclass(slots=True)
class Findings:
    """Collects mistakes and notices. *document* knows the places; what is spoilt there is not judged again.

    Items that were cut out of lists move the others: paths come in as they are now, and are kept as they are in the file.
    """

    document: Document
    mistakes: list[Mistake] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    _spoilt: set[Path] = field(default_factory=set)
    _left: dict[Path, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.mistakes.extend(self.document.mistakes)
        for path in self.document.spoilt:
            self._spoil(path)

    def add(self, path: Path, message: str, hint: str = "", *, key: bool = False) -> None:
        """Note a mistake at *path*: at its value when that is a single word, else (or when *key*) at its key."""
        original = self._original(path)
        self._spoil(original)
        place = self._place(original, key=key)
        self.mistakes.append(Mistake(*place, dotted(original), message, hint, file=self.document.name))

    def note(self, sentence: str) -> None:
        """Note something that the person who pushed should know."""
        if sentence not in self.notices:
            self.notices.append(sentence)

    def is_spoilt(self, *path: str | int) -> bool:
        """Whether something at or below *path* is wrong already, so that its absence or value says nothing."""
        return self._original(path) in self._spoilt

    def cut(self, path: Path, length: int) -> None:
        """Note that the last step of *path*, an index, is cut out of a list of *length* items."""
        holder = self._original(path[:-1])
        self._left.setdefault(holder, list(range(length))).pop(int(path[-1]))

    def _spoil(self, path: Path) -> None:
        self._spoilt.update(path[:length] for length in range(1, len(path) + 1))

    def _original(self, path: Path) -> Path:
        """Return where in the file the thing is that is at *path* now."""
        if not self._left:
            return path
        original: Path = ()
        for step in path:
            left = self._left.get(original) if isinstance(step, int) else None
            original += (left[step] if left is not None and isinstance(step, int) and step < len(left) else step,)
        return original

    def _place(self, path: Path, *, key: bool) -> Place:
        document = self.document
        if not key and path in document.places and isinstance(at(document.data, path), str | Token):
            return document.places[path]
        for length in range(len(path), 0, -1):
            found = document.keys.get(path[:length]) or document.places.get(path[:length])
            if found:
                return found
        return (1, 1)

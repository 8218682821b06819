"""The beginning and the end of an output of any length, with a line between them that says how much was left out."""

import re
from collections import deque
from collections.abc import Iterable
from itertools import islice

HALF_LINES = 10_000
HALF_BYTES = 4 * 1024 * 1024

_GAP = re.compile(r"\.\.\. (\d+) lines left out here")


class Excerpt:
    """What is kept of an output: at most HALF_LINES lines and HALF_BYTES bytes of each end. Lines keep the number that they came with."""

    def __init__(self, kept: Iterable[str] = ()) -> None:
        """Begin with *kept*: what `lines` returned earlier."""
        self._head: list[str] = []
        self._tail: deque[str] = deque()
        self._head_bytes = 0
        self._tail_bytes = 0
        self._left_out = 0
        for line in kept:
            gap = _GAP.fullmatch(line)
            if gap is None or self._tail:
                self.add(line)
            else:
                self._left_out = int(gap[1])

    @property
    def count(self) -> int:
        """How many lines there have been."""
        return len(self._head) + self._left_out + len(self._tail)

    @property
    def parted(self) -> bool:
        """Whether new lines belong to the end: the beginning is complete."""
        return bool(self._tail or self._left_out)

    def add(self, line: str) -> None:
        """Take the next line; where there is no room, the oldest line of the end is left out."""
        size = len(line.encode("utf-8", "replace")) + 1
        if not self.parted and len(self._head) < HALF_LINES and self._head_bytes + size <= HALF_BYTES:
            self._head.append(line)
            self._head_bytes += size
            return
        self._tail.append(line)
        self._tail_bytes += size
        while len(self._tail) > HALF_LINES or self._tail_bytes > HALF_BYTES:
            self._tail_bytes -= len(self._tail.popleft().encode("utf-8", "replace")) + 1
            self._left_out += 1

    def lines(self) -> list[str]:
        """Return what is kept."""
        return [line for _, line in self.after(0)]

    def after(self, number: int) -> list[tuple[int, str]]:
        """Return what is kept of the lines after the one of that *number*, numbered; the line for a gap has the last number missing."""
        new = self.count - number
        if new <= len(self._tail):
            newest = list(islice(reversed(self._tail), max(0, new)))
            return list(enumerate(reversed(newest), number + 1))
        found = list(enumerate(self._head[number:], number + 1))
        end = len(self._head) + self._left_out
        missing = end - max(number, len(self._head))
        if missing > 0:
            found.append((end, f"... {missing} lines left out here"))
        return found + list(enumerate(self._tail, end + 1))

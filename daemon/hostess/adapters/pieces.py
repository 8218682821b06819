"""Bytes that come in pieces, as something that can be read."""

from collections.abc import Iterable, Iterator


class Pieces:
    """The pieces of a tar as something that can be read."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces: Iterator[bytes] = iter(pieces)
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Return *size* bytes, fewer at the end."""
        found = [self._rest]
        have = len(self._rest)
        while have < size and (piece := next(self._pieces, None)) is not None:
            found.append(piece)
            have += len(piece)
        data = b"".join(found)
        self._rest = data[size:]
        return data[:size]

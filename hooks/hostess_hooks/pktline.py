"""Git's packet lines (gitprotocol-common): bytes <-> packets, no sockets."""

import typing

FLUSH = b"0000"
LONGEST = 65516


class PacketError(ValueError):
    """What was read is no packet line."""


class Readable(typing.Protocol):
    """Something bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Return *size* bytes, fewer only at the end."""


def packet(data: bytes) -> bytes:
    """Return *data*, at most LONGEST bytes, as one packet line."""
    if len(data) > LONGEST:
        raise PacketError(f"{len(data)} bytes do not fit into a packet line")
    return b"%04x%s" % (len(data) + 4, data)


def read_packet(stream: Readable) -> bytes | None:
    """Return the next packet without its newline, None for a flush packet; PacketError at the end or on anything else."""
    head = stream.read(4)
    try:
        length = int(head, 16) if len(head) == len(FLUSH) else -1
    except ValueError:
        length = -1
    if length == 0:
        return None
    if length < len(head) or length < len(FLUSH):
        raise PacketError(f"expected a packet line, got {head!r}")
    data = stream.read(length - 4)
    if len(data) != length - 4:
        raise PacketError("the packet line ends too early")
    return data.removesuffix(b"\n")


def read_section(stream: Readable, at_most: int) -> list[bytes]:
    """Return all packets up to the next flush packet; PacketError beyond *at_most* of them."""
    packets: list[bytes] = []
    while (data := read_packet(stream)) is not None:
        if len(packets) == at_most:
            raise PacketError(f"more than {at_most} packets")
        packets.append(data)
    return packets

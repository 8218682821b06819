"""The engine's JSON and our values; its log frames and our lines; a registry's refusals."""

import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hostess.adapters.engine.exec import CAP, Tail
from hostess.adapters.engine.logs import LONGEST, Lines, query
from hostess.adapters.engine.pull import progress, refused
from hostess.adapters.engine.values import address_of, creation, instant
from hostess.domain.ports import ContainerSpec, LogLine

SPEC = ContainerSpec("web-1", "sha256:1", {"a": "b"}, "net")
AT = datetime(2026, 11, 22, 18, 40, 35, 475657, tzinfo=UTC)
STAMP = "2026-11-22T18:40:35.475657976Z"


def frame(text: str, stream: int = 1) -> bytes:
    """Return a frame as the engine sends it."""
    payload = f"{STAMP} {text}".encode()
    return struct.pack(">BxxxL", stream, len(payload)) + payload


def test_creation_is_careful() -> None:
    """Every container is bounded and cannot gain privileges, whatever its spec says."""
    host = creation(SPEC, 2.0, 4000)["HostConfig"]

    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["CapDrop"] == ["NET_RAW", "MKNOD"]
    assert host["PidsLimit"] > 0
    assert host["LogConfig"]["Config"]["max-size"]
    assert host["Init"] is True
    assert host["RestartPolicy"] == {"Name": "no"}
    assert "Cmd" not in creation(SPEC, 2.0, 4000)


def test_creation_follows_the_spec() -> None:
    """What the spec says reaches the engine; cores are cut to what it has, and swap is not given."""
    spec = ContainerSpec(
        name="web-1",
        image="sha256:1",
        labels={},
        network="net",
        env={"A": "1=2"},
        command=("run",),
        entrypoint=(),
        aliases=("web",),
        address="10.0.0.7",
        cpu=8.0,
        memory=1000,
        volumes={"data": "/data"},
        restart=True,
        stop_grace=timedelta(seconds=30),
    )
    body = creation(spec, 2.0, 4000)

    assert (body["Env"], body["Cmd"], body["Entrypoint"], body["StopTimeout"]) == (["A=1=2"], ["run"], [""], 30)
    assert body["NetworkingConfig"]["EndpointsConfig"] == {
        "net": {"Aliases": ["web"], "IPAMConfig": {"IPv4Address": "10.0.0.7"}}
    }
    host = body["HostConfig"]
    assert (host["NanoCpus"], host["Memory"], host["MemorySwap"]) == (2_000_000_000, 1000, 1000)
    assert host["Mounts"] == [{"Type": "volume", "Source": "data", "Target": "/data"}]
    assert host["RestartPolicy"] == {"Name": "unless-stopped"}


def test_memory_is_cut_to_the_host() -> None:
    """A limit above the engine's memory becomes all of it."""
    host = creation(replace(SPEC, memory=9000), 2.0, 4000)["HostConfig"]

    assert (host["Memory"], host["MemorySwap"]) == (4000, 4000)


def test_addresses() -> None:
    """The address in use counts, else the one that was asked for, else there is none."""
    assert address_of({"net": {"IPAddress": "10.0.0.2", "IPAMConfig": {"IPv4Address": "10.0.0.9"}}}) == "10.0.0.2"
    assert address_of({"net": {"IPAddress": "", "IPAMConfig": {"IPv4Address": "10.0.0.9"}}}) == "10.0.0.9"
    assert address_of({"net": {"IPAddress": "", "IPAMConfig": None}}) == ""
    assert address_of({}) == ""


def test_instants() -> None:
    """A time that never was is None; nanoseconds are cut."""
    assert instant("0001-01-01T00:00:00Z") is None
    assert instant(STAMP) == AT


def test_lines_in_any_pieces() -> None:
    """Lines are the same however the bytes are cut."""
    data = frame("one\n") + frame("two\r\n", 2) + frame("\n")
    expected = [LogLine(AT, "stdout", "one"), LogLine(AT, "stderr", "two"), LogLine(AT, "stdout", "")]

    for size in (1, 7, 8, 9, 1000):
        lines = Lines()
        found = [line for at in range(0, len(data), size) for line in lines.feed(data[at : at + size])]
        assert found == expected


def test_long_lines() -> None:
    """A line in several frames comes whole, each stream for itself; one without an end is cut."""
    lines = Lines()
    assert lines.feed(frame("a" * 100) + frame("err\n", 2) + frame("b\n")) == [
        LogLine(AT, "stderr", "err"),
        LogLine(AT, "stdout", "a" * 100 + "b"),
    ]
    assert len(lines.feed(frame("x" * LONGEST))) == 1
    assert lines.feed(frame("rest")) == []
    assert lines.rest() == [LogLine(AT, "stdout", "rest")]


def test_since_is_exact() -> None:
    """The moment asked for is neither earlier nor later than the one given."""
    assert query(5, AT)["since"] == f"{int(AT.timestamp())}.475657"
    assert "since" not in query(5, None)


def test_tail_of_output() -> None:
    """The end of an output is kept."""
    tail = Tail()
    for _ in range(10):
        tail.add(b"x" * 5000)
    tail.add(b"end")

    assert len(tail.text()) == CAP
    assert tail.text().endswith("xend")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("pull access denied for x, repository does not exist or may require 'docker login'", "image-not-found"),
        ("manifest for x:1 not found: manifest unknown", "image-not-found"),
        ('Get "https://r/v2/": dial tcp: lookup r: no such host', "registry-unreachable"),
        ('Get "https://r/v2/": x509: certificate signed by unknown authority', "registry-unreachable"),
        ("net/http: TLS handshake timeout", "registry-unreachable"),
    ],
)
def test_refusals_of_registries(words: str, code: str) -> None:
    """A registry that has no such image is told from one that cannot be reached."""
    assert refused("docker.io/library/x:1", words).code == code


def test_progress_is_coarse() -> None:
    """A pull of many layers is told in at most four lines."""
    said: list[str] = []
    layers = [str(number) for number in range(10)]
    progress(
        "x:1",
        [{"status": "Pulling fs layer", "id": layer} for layer in layers]
        + [{"status": "Downloading", "id": "1", "progressDetail": {"current": 1}}]
        + [{"status": "Pull complete", "id": layer} for layer in layers],
        said.append,
    )

    assert said == ["  3 of 10 layers", "  5 of 10 layers", "  8 of 10 layers", "  10 of 10 layers"]

"""The corpus of HTTP/1 messages: what clients and backends may send, good and bad, and what has to become of it."""

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from tests.integration.proxy.lenient import Seen

FOLDER = Path(__file__).parents[2] / "corpus" / "http1"


class RequestCase(NamedTuple):
    """What a client sends, the status of each answer, and the requests that a backend gets."""

    sent: bytes
    answers: list[int]
    seen: list[Seen]


class ResponseCase(NamedTuple):
    """What a backend says to *asked*, the status of each answer, and its body; None for one that is broken off."""

    said: bytes
    asked: bytes
    closes: bool
    answers: list[int]
    body: bytes | None
    kept: bool


def request_cases() -> dict[str, RequestCase]:
    """Read the requests, by name."""
    return {
        raw["name"]: RequestCase(
            _filled(raw, "sent"),
            raw["answers"],
            [Seen(*(part.encode("latin-1") for part in one)) for one in raw.get("seen", [])],
        )
        for raw in _read("requests")
    }


def response_cases() -> dict[str, ResponseCase]:
    """Read the responses, by name."""
    return {
        raw["name"]: ResponseCase(
            _filled(raw, "said"),
            raw.get("asked", "GET / HTTP/1.1\r\nHost: a.x\r\n\r\n").encode("latin-1"),
            raw.get("closes", False),
            raw["answers"],
            raw["body"].encode("latin-1") if "body" in raw else None,
            raw.get("kept", False),
        )
        for raw in _read("responses")
    }


def _read(name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))[name]
    return rows


def _filled(raw: dict[str, Any], key: str) -> bytes:
    fill = raw.get("fill", {"what": "", "times": 0})
    return str(raw[key].replace("…", fill["what"] * fill["times"])).encode("latin-1")

"""Numbers as text for Prometheus (format 0.0.4, which OpenMetrics readers take too): what each counter is called and means."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from hostess_proxy.telemetry.counting import BUCKETS, Numbers, add

PREFIX: Final = "hostess_proxy_"
EVENTS: Final = {
    "connections_accepted": ("listener", "Connections of clients that were accepted."),
    "connections_refused": ("reason", "Connections that were closed at once, or while they rested, by the limit."),
    "requests_refused": ("reason", "Requests that could not be read, by the code of the answer."),
    "tls_handshakes": ("kind", "TLS handshakes that were completed, in full or by resuming a session."),
    "tls_errors": ("reason", "TLS handshakes that failed, or were for a name that is not served."),
    "log_lines_dropped": ("", "Lines that the access log could not take."),
    "table_swaps": ("", "Tables that took the place of another."),
    "worker_restarts": ("", "Workers that ended or hung, and were replaced."),
}
"""What is counted of no service: family, its label ("" for none), and what it means."""

_LABELS = ("project", "service", "release")
_BY_SERVICE = _LABELS[:2]


class Sample(NamedTuple):
    """One line: what follows the family's name, the labels, the number."""

    suffix: str
    labels: dict[str, str]
    value: float


class Now(NamedTuple):
    """What holds at this moment: *in_flight* is by the key of a release."""

    in_flight: Mapping[str, int]
    connections: int
    tunnels: int
    workers: int
    generation: int


def render(total: Numbers, now: Now) -> str:
    """Return all metrics as text."""
    return "".join(f"{line}\n" for family in _families(total, now) for line in family)


def _families(total: Numbers, now: Now) -> Iterator[Iterable[str]]:
    services = {tuple(json.loads(names)): numbers for names, numbers in total["services"].items()}
    together: Numbers = {}
    for (project, service, _), numbers in services.items():
        add(together, {json.dumps([project, service]): numbers})
    merged = {tuple(json.loads(names)): numbers for names, numbers in together.items()}

    yield _counter("requests", "Requests that were answered.", _requests(services))
    yield _histogram(
        "request_seconds", "Seconds from the head of a request to the end of its response.",
        _series(merged, "seconds", "code"),
    )  # fmt: skip
    yield _histogram(
        "first_byte_seconds", "Seconds from the head of a request to the first byte of the backend's response.",
        _plain(merged, "first_byte"),
    )  # fmt: skip
    yield _histogram("connect_seconds", "Seconds to open a connection to a backend.", _plain(merged, "connect"))
    for name, family, help_text in (
        ("received", "received_bytes", "Bytes of requests' bodies, and of tunnels from clients."),
        ("sent", "sent_bytes", "Bytes of responses' bodies, and of tunnels to clients."),
        ("retries", "retries", "Requests that were sent to a backend once more."),
        ("ejections", "ejections", "Targets that were left out because they failed."),
    ):
        samples = (
            Sample("", dict(zip(_BY_SERVICE, names, strict=True)), numbers.get(name, 0))
            for names, numbers in merged.items()
        )
        yield _counter(family, help_text, samples)
    yield _counter("upstream_errors", "Faults of backends, by kind.", _counted(merged, "errors", "kind"))
    yield _counter(
        "requests_ended", "Requests that did not end well, by how they ended (`end` of the access log).",
        _counted(merged, "ends", "end"),
    )  # fmt: skip
    for family, (label, help_text) in EVENTS.items():
        found = total["events"].get(family, {} if label else {"": 0})
        events = (Sample("", {label: value} if label else {}, times) for value, times in found.items())
        yield _counter(family, help_text, events)
    lag: list[float] = total.get("lag", [])
    yield _histogram("event_loop_lag_seconds", "How late timers of workers were.", [({}, lag)] if lag else [])
    yield from _gauges(now)


def _gauges(now: Now) -> Iterator[Iterable[str]]:
    in_flight = (
        Sample("", dict(zip(_LABELS, json.loads(names), strict=True)), count) for names, count in now.in_flight.items()
    )
    yield _family(
        "requests_in_flight", "gauge", "Requests, and connections that were upgraded, at backends.", in_flight
    )
    for family, help_text, value in (
        ("connections_open", "Connections of clients.", now.connections),
        ("tunnels_open", "Connections that were upgraded, and relays.", now.tunnels),
        ("workers", "Worker processes that serve.", now.workers),
        ("table_generation", "The number of the table that is served.", now.generation),
    ):
        yield _family(family, "gauge", help_text, [Sample("", {}, value)])


def _requests(services: Mapping[tuple[str, ...], Numbers]) -> Iterator[Sample]:
    for names, numbers in services.items():
        for both, count in numbers.get("requests", {}).items():
            method, code = both.split(" ")
            yield Sample("", {**dict(zip(_LABELS, names, strict=True)), "method": method, "code": code}, count)


def _counted(merged: Mapping[tuple[str, ...], Numbers], name: str, label: str) -> Iterator[Sample]:
    for names, numbers in merged.items():
        for value, count in numbers.get(name, {}).items():
            yield Sample("", {**dict(zip(_BY_SERVICE, names, strict=True)), label: value}, count)


def _plain(merged: Mapping[tuple[str, ...], Numbers], name: str) -> Iterator[tuple[dict[str, str], list[float]]]:
    for names, numbers in merged.items():
        if numbers.get(name):
            yield dict(zip(_BY_SERVICE, names, strict=True)), numbers[name]


def _series(
    merged: Mapping[tuple[str, ...], Numbers], name: str, label: str
) -> Iterator[tuple[dict[str, str], list[float]]]:
    for names, numbers in merged.items():
        for value, histogram in numbers.get(name, {}).items():
            yield {**dict(zip(_BY_SERVICE, names, strict=True)), label: value}, histogram


def _counter(name: str, help_text: str, samples: Iterable[Sample]) -> Iterator[str]:
    return _family(f"{name}_total", "counter", help_text, samples)


def _histogram(name: str, help_text: str, series: Iterable[tuple[dict[str, str], list[float]]]) -> Iterator[str]:
    return _family(name, "histogram", help_text, (sample for each in series for sample in _buckets(*each)))


def _buckets(labels: dict[str, str], numbers: list[float]) -> Iterator[Sample]:
    so_far = 0.0
    for bound, count in zip([*map(str, BUCKETS), "+Inf"], numbers[:-1], strict=True):
        so_far += count
        yield Sample("_bucket", {**labels, "le": bound}, so_far)
    yield Sample("_sum", labels, numbers[-1])
    yield Sample("_count", labels, so_far)


def _family(name: str, kind: str, help_text: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {PREFIX}{name} {help_text}"
    yield f"# TYPE {PREFIX}{name} {kind}"
    for suffix, labels, value in samples:
        inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{PREFIX}{name}{suffix}{'{' + inside + '}' if inside else ''} {_number(value)}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.6f}"

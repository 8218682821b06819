"""The proxy beside nginx, HAProxy and Caddy: one core each in turn, load and backend on another, alternating rounds, medians.

`proxy.py [WORD...]` runs those figures only whose names hold one of the words. Ratios of requests per second depend a little on what
else the machine does; CPU time per request much less.
"""

import json
import os
import resource
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import loads
from loads import CONNECTIONS, Round
from peers import GIGABYTE, Peer, Stage, free_ports, hostess, install_missing, peers, stage, wait_for

ROUNDS = 5
IDLE = 10_000
ALL = ("nginx", "haproxy", "caddy", "hostess")


def main(words: list[str]) -> int:
    """Print the figures; return the exit code."""
    cores = len(os.sched_getaffinity(0))
    if cores < 2:  # noqa: PLR2004 -- one for the proxy, one for load and backend
        say("needs two cores")
        return 0
    install_missing()
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    with tempfile.TemporaryDirectory(prefix="hostess-bench-") as name, stage(Path(name)) as on:
        for title, measure in FIGURES.items():
            if not words or any(word in title for word in words):
                say(title)
                measure(on)
    return 0


def kept(body: str, *, tls: bool) -> Callable[[Stage], None]:
    """Return what measures requests on kept connections."""

    def measure(on: Stage) -> None:
        with peers(on, *ALL) as running:
            rates = alternating(running, lambda peer: loads.requests(on, peer, body, tls=tls))
        compare(f"proxy_{'tls_' if tls else ''}requests_{body}", rates)

    return measure


def connections(*, tls: bool) -> Callable[[Stage], None]:
    """Return what measures connections that carry one request each: with TLS, a full handshake for each."""

    def measure(on: Stage) -> None:
        with peers(on, *ALL) as running:
            rates = alternating(running, lambda peer: loads.requests(on, peer, "small", tls=tls, kept=False))
        compare(f"proxy_{'tls_' if tls else ''}connections", rates)

    return measure


def http2(body: str) -> Callable[[Stage], None]:
    """Return what measures requests by HTTP/2."""

    def measure(on: Stage) -> None:
        with peers(on, *ALL) as running:
            rates = alternating(running, lambda peer: loads.http2(on, peer, body))
        compare(f"proxy_http2_requests_{body}", rates)

    return measure


def latency(on: Stage) -> None:
    """Measure the 99th percentile at half the rate that nginx can do, and at half of what we can."""
    with peers(on, "nginx", "hostess") as (theirs, ours):
        most = {peer: median(loads.requests(on, peer, "small").per_second for _ in range(3)) for peer in (theirs, ours)}
        for name, rate in (("nginx", most[theirs] / 2), ("own", most[ours] / 2)):
            seen: dict[Peer, list[float]] = {theirs: [], ours: []}
            for _ in range(ROUNDS):
                for peer, values in seen.items():
                    values.append(loads.latency(on, peer, "small", rate))
            middle = {peer.name: round(median(values), 3) for peer, values in seen.items()}
            detail = {"requests_per_second": round(rate), "p99_ms": middle}
            ratio = median(seen[ours]) / median(seen[theirs])
            figure(f"proxy_p99_at_half_{name}_saturation", ratio, "ratio", theirs.name, detail)


def transfers(on: Stage) -> None:
    """Measure a gigabyte down and up, and what it does to memory."""
    with peers(on, "nginx", "hostess") as running:
        for up in (False, True):
            seen: dict[str, list[float]] = {}
            grown = 0
            for _ in range(3):
                for peer in running:
                    before = loads.memory(peer.pid)
                    seen.setdefault(peer.name, []).append(GIGABYTE / loads.transfer(on, peer, up=up) / 1e6)
                    grown = loads.memory(peer.pid) - before
            middle = {name: round(median(values)) for name, values in seen.items()}
            theirs, ours = (median(values) for values in seen.values())
            way = "up" if up else "down"
            detail = {"mb_per_second": middle, "worker_memory_grew_kb": grown}
            figure(f"proxy_gigabyte_{way}", ours / theirs, "ratio", running[0].name, detail)


def idle(on: Stage) -> None:
    """Measure what a kept connection costs that does nothing."""
    with peers(on, "nginx", "hostess") as running:
        each = {}
        for peer in running:
            loads.requests(on, peer, "small")
            loads.settled(peer)
            each[peer.name] = round(loads.idle_memory(peer, IDLE), 2)
        figure("proxy_idle_connection", each["hostess"], "KiB", running[0].name, {"connections": IDLE, "kib": each})


def workers(on: Stage) -> None:
    """Measure two workers beside one, not pinned: meaningful only where load and backend have cores of their own."""
    rates = {}
    for count in (1, 2):
        http, https = free_ports(2)
        with hostess(on, http, https, workers=count) as pid:
            wait_for(http)
            peer = Peer("hostess", pid, http, https)
            rates[count] = median(loads.requests(on, peer, "small").per_second for _ in range(ROUNDS))
    detail = {"cores": len(os.sched_getaffinity(0)), "per_second": rates}
    figure("proxy_two_workers", rates[2] / rates[1], "ratio", "hostess with one worker", detail)


def alternating(running: list[Peer], once: Callable[[Peer], Round]) -> dict[Peer, Round]:
    """Load each in turn, ROUNDS times; return the medians. The first, which warms up, does not count."""
    rounds: dict[Peer, list[Round]] = {peer: [] for peer in running}
    for number in range(ROUNDS + 1):
        for peer, seen in rounds.items():
            now = once(peer)
            if number:
                seen.append(now)
    return {peer: Round(*(median(column) for column in zip(*rows, strict=True))) for peer, rows in rounds.items()}


def compare(name: str, rates: Mapping[Peer, Round]) -> None:
    """Print how the last of the peers, ours, compares with the others."""
    *others, ours = rates
    detail: dict[str, object] = {
        peer.name: {key: round(value, 1) for key, value in rate._asdict().items()} for peer, rate in rates.items()
    }
    detail["connections"] = CONNECTIONS
    for peer in others:
        figure(name, rates[ours].per_second / rates[peer].per_second, "ratio", peer.name, detail)
        cpu = rates[ours].microseconds / rates[peer].microseconds
        figure(f"{name}_cpu", cpu, "ratio", peer.name, {})


def figure(name: str, value: float, unit: str, peer: str, detail: Mapping[str, object]) -> None:
    """Print one figure."""
    line = {"name": name, "value": round(value, 2), "unit": unit, "peer": peer, "detail": detail}
    print(json.dumps(line), flush=True)


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)


FIGURES: Mapping[str, Callable[[Stage], None]] = {
    "requests_small": kept("small", tls=False),
    "requests_10k": kept("10k", tls=False),
    "requests_1m": kept("1m", tls=False),
    "connections": connections(tls=False),
    "tls_requests_small": kept("small", tls=True),
    "tls_requests_1m": kept("1m", tls=True),
    "tls_connections": connections(tls=True),
    "http2_requests_small": http2("small"),
    "http2_requests_10k": http2("10k"),
    "p99": latency,
    "gigabyte": transfers,
    "idle_connections": idle,
    "two_workers": workers,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

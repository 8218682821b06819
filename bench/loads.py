"""Load on a proxy, each kind run once: what wrk, h2load, curl and a crowd of idle connections see. Fails when a request does."""

import json
import os
import re
import socket
import statistics
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from peers import HOSTS, Peer, Stage, pinned

SECONDS = 2
CONNECTIONS = 32
STREAMS = 8
# Those of a browser that loads a page.
FIELDS = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.9,de;q=0.8",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Cache-Control": "max-age=0",
    "Sec-Ch-Ua": '"Chromium";v="126", "Not.A/Brand";v="8"',
    "Sec-Ch-Ua-Mobile": "?0",
    "Sec-Ch-Ua-Platform": '"Linux"',
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "same-origin",
    "Upgrade-Insecure-Requests": "1",
    "Referer": "http://shop.localhost/list?page=3",
}
_COOKIE = "session=eyJhbGciOiJIUzI1NiJ9.abcdefghijklmnopqrstuvwxyz{:08d}; theme=dark"
# As many visitors as connections, each with a host and a cookie of its own, one after another.
_SCRIPT = """
local hosts, fields, cookies = {hosts}, {fields}, {cookies}
local requests, turn = {{}}, 0
init = function()
  for i, host in ipairs(hosts) do
    fields["Host"], fields["Cookie"] = host, cookies[i]
    requests[i] = wrk.format("GET", nil, fields)
  end
end
request = function()
  turn = turn % #requests + 1
  return requests[turn]
end
"""


class Round(NamedTuple):
    """What one round of load showed: requests per second, CPU time of the proxy for each (µs)."""

    per_second: float
    microseconds: float


def requests(on: Stage, peer: Peer, body: str, *, tls: bool = False, kept: bool = True) -> Round:
    """Load by HTTP/1.1 from CONNECTIONS connections; those that are not *kept* carry one request each."""
    script = on.folder / f"visitors-{kept}.lua"
    if not script.exists():
        script.write_text(_visitors(FIELDS if kept else {**FIELDS, "Connection": "close"}))
    url = f"https://127.0.0.1:{peer.https}/{body}" if tls else f"http://127.0.0.1:{peer.http}/{body}"
    before = cpu_seconds(peer.pid)
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}", "-s", str(script), url]
    out = _run(pinned(on.load_core, command))
    spent = cpu_seconds(peer.pid) - before
    # Where connections end with each request, wrk counts some of those that it cuts off itself at the end.
    if "Non-2xx" in out or ("Socket errors" in out and kept):
        raise SystemExit(f"failed requests at {peer.name}, {url}:\n{out}")
    count = int(re.findall(r"(\d+) requests in", out)[0])
    return Round(float(re.findall(r"Requests/sec:\s+([\d.]+)", out)[0]), spent / count * 1e6)


def http2(on: Stage, peer: Peer, body: str) -> Round:
    """Load by HTTP/2 over TLS: CONNECTIONS connections with STREAMS requests at a time on each."""
    before = cpu_seconds(peer.pid)
    url = f"https://{HOSTS[0]}:{peer.https}/{body}"
    shape = [f"-c{CONNECTIONS}", f"-m{STREAMS}", f"-D{SECONDS}", "-t1"]
    out = _run(pinned(on.load_core, ["h2load", *shape, f"--connect-to=127.0.0.1:{peer.https}", *_fields(), url]))
    spent = cpu_seconds(peer.pid) - before
    done, failed = (int(re.findall(rf"(\d+) {word}", out)[0]) for word in ("succeeded", "failed"))
    if failed or not done:
        raise SystemExit(f"failed requests at {peer.name}, {url}:\n{out}")
    return Round(float(re.findall(r"([\d.]+) req/s", out)[0]), spent / done * 1e6)


def latency(on: Stage, peer: Peer, body: str, per_second: float) -> float:
    """Return the 99th percentile of the answers' time (ms) at a steady rate."""
    log = on.folder / "latency.tsv"
    log.unlink(missing_ok=True)
    each = max(1, round(per_second / CONNECTIONS))
    shape = ["--h1", f"-c{CONNECTIONS}", f"-D{SECONDS * 2}", "-t1", f"--rps={each}", f"--log-file={log}"]
    url = f"http://{HOSTS[0]}:{peer.http}/{body}"
    _run(pinned(on.load_core, ["h2load", *shape, f"--connect-to=127.0.0.1:{peer.http}", *_fields(), url]))
    times = [int(line.split("\t")[2]) for line in log.read_text().splitlines()]
    return statistics.quantiles(times, n=100)[98] / 1000


def transfer(on: Stage, peer: Peer, *, up: bool) -> float:
    """Send or fetch a gigabyte; return the seconds that it took."""
    size = "%{size_upload}" if up else "%{size_download}"
    command = [
        "curl",
        "-s",
        "-o",
        "/dev/null",
        "-w",
        f"%{{http_code}} {size} %{{time_total}}",
        "-H",
        f"Host: {HOSTS[0]}",
    ]
    if up:
        command += ["-T", str(on.folder / "www" / "1g"), f"http://127.0.0.1:{peer.http}/upload"]
    else:
        command.append(f"http://127.0.0.1:{peer.http}/1g")
    status, moved, seconds = _run(pinned(on.load_core, command)).split()
    if status != "200" or int(moved) != (on.folder / "www" / "1g").stat().st_size:
        raise SystemExit(f"{peer.name}: {status} after {moved} bytes")
    return float(seconds)


def idle_memory(peer: Peer, count: int) -> float:
    """Return the KiB that each of *count* connections costs that has been answered once and is kept."""
    head = "".join(f"{name}: {value}\r\n" for name, value in {"Host": HOSTS[0], **FIELDS}.items())
    request = f"GET /small HTTP/1.1\r\n{head}\r\n".encode()
    before = memory(peer.pid)
    connections: list[socket.socket] = []
    try:
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", peer.http), 10)
            connection.sendall(request)
            connections.append(connection)
            if not connection.recv(65536).startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"{peer.name}: connection {len(connections)} was not answered")
        return (memory(peer.pid) - before) / count
    finally:
        for connection in connections:
            connection.close()


def settled(peer: Peer) -> None:
    """Return when the proxy does nothing more."""
    for _ in range(50):
        before = cpu_seconds(peer.pid)
        time.sleep(0.2)
        if cpu_seconds(peer.pid) - before < 0.02:  # noqa: PLR2004 -- two ticks of the kernel's clock
            return


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and its living descendants."""
    total = 0.0
    for process in _family(pid):
        stat = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
        total += (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
    return total


def memory(pid: int) -> int:
    """Return the resident memory (KiB) of a process and its living descendants."""
    found = (re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text()) for process in _family(pid))
    return sum(int(each[0]) for each in found)


def _family(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [pid, *(member for task in tasks for child in task.read_text().split() for member in _family(int(child)))]


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


def _fields() -> list[str]:
    fields = {**FIELDS, "Cookie": _COOKIE.format(0)}
    return [f"-H{name}: {value}" for name, value in fields.items()]


def _visitors(fields: dict[str, str]) -> str:
    return _SCRIPT.format(
        hosts=_lua(HOSTS[:: len(HOSTS) // CONNECTIONS][:CONNECTIONS]),
        cookies=_lua([_COOKIE.format(number) for number in range(CONNECTIONS)]),
        fields="{" + ",".join(f"[{json.dumps(name)}]={json.dumps(value)}" for name, value in fields.items()) + "}",
    )


def _lua(texts: list[str]) -> str:
    return "{" + ",".join(map(json.dumps, texts)) + "}"

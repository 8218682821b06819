"""The proxy beside nginx: one core each in turn, load and backend on another, alternating rounds, medians.

Both keep connections to the backend, write a JSON access log, set forwarding fields and a request id; requests carry the
fields of a browser. Ratios of requests per second depend on what else the machine does; CPU time per request much less.
"""

import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

ROUNDS = 5
SECONDS = 3
CONNECTIONS = 32
BODIES = {"small": 12, "10k": 10 * 1024, "1m": 1024 * 1024}
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
    "Referer": "http://a.localhost/shop/list?page=3",
    "Cookie": "session=eyJhbGciOiJIUzI1NiJ9.abcdefghijklmnopqrstuvwxyz0123456789; theme=dark",
}
NGINX = """
worker_processes 1; daemon off; pid {folder}/{name}.pid; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  client_body_temp_path {folder}/{name}-1; proxy_temp_path {folder}/{name}-2; fastcgi_temp_path {folder}/{name}-3;
  uwsgi_temp_path {folder}/{name}-4; scgi_temp_path {folder}/{name}-5;
  keepalive_requests 1000000000; keepalive_timeout 3600; {http}
}}
"""
BACKEND = "access_log off; server {{ listen 127.0.0.1:{port} backlog=1024; root {folder}/www; }}"
PEER = """
  log_format line escape=json '{{"ts":"$time_iso8601","id":"$request_id","client":"$remote_addr","method":"$request_method",'
    '"host":"$host","path":"$request_uri","status":$status,"out":$body_bytes_sent,"ms":$request_time,'
    '"upstream":"$upstream_response_time","target":"$upstream_addr","ua":"$http_user_agent"}}';
  access_log {folder}/nginx.log line buffer=64k flush=1s;
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 256; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port} backlog=1024; server_name a.localhost; location / {{
    proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host;
    proxy_set_header X-Request-Id $request_id; add_header X-Request-Id $request_id; }} }}
"""


class Round(NamedTuple):
    """What one round of load showed."""

    per_second: float
    microseconds: float
    p99_ms: float


def main() -> int:
    """Print the figures; return the exit code."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:  # noqa: PLR2004 -- one for the proxy, one for load and backend
        say("needs two cores")
        return 0
    install_missing()
    with tempfile.TemporaryDirectory(prefix="hostess-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)  # nginx drops root
        (folder / "www").mkdir()
        for body, size in BODIES.items():
            (folder / "www" / body).write_bytes(b"x" * size)
        backend, peer, ours = free_ports(3)
        servers = {
            "nginx": stack.enter_context(nginx(folder, "peer", cores[0], PEER, port=peer, backend=backend)),
            "hostess": stack.enter_context(hostess(folder, cores[0], ours, backend)),
        }
        stack.enter_context(nginx(folder, "backend", cores[1], BACKEND, port=backend))
        for port in (backend, peer, ours):
            wait_for(port)
        script = load_script(folder)
        for body in BODIES:
            compare(body, servers, {"nginx": peer, "hostess": ours}, cores[1], script)
        worker = json.loads((folder / "data" / "run" / "proxy.json").read_text())["workers"][0]
        figure("proxy_worker_memory", memory_mb(worker), "MB", "", {"after": "the load above"})
    return 0


def compare(body: str, servers: dict[str, int], ports: dict[str, int], core: int, script: Path) -> None:
    """Load both in turn and print how they compare."""
    rounds: dict[str, list[Round]] = {name: [] for name in servers}
    for _ in range(ROUNDS):
        for name, pid in servers.items():
            rounds[name].append(load(pid, f"http://127.0.0.1:{ports[name]}/{body}", core, script))
    middle = {
        name: Round(*(statistics.median(column) for column in zip(*rows, strict=True))) for name, rows in rounds.items()
    }
    detail = {name: {key: round(value, 2) for key, value in row._asdict().items()} for name, row in middle.items()}
    ours, theirs = middle["hostess"], middle["nginx"]
    figure(f"proxy_requests_{body}", ours.per_second / theirs.per_second, "ratio", nginx_version(), detail)
    figure(f"proxy_cpu_per_request_{body}", ours.microseconds / theirs.microseconds, "ratio", nginx_version(), detail)


def load(pid: int, url: str, core: int, script: Path) -> Round:
    """Run wrk once against the server whose first process is *pid*."""
    before = cpu_seconds(pid)
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}", "--latency", "-s", str(script), url]
    out = subprocess.run(pinned(core, command), capture_output=True, text=True, check=True).stdout
    spent = cpu_seconds(pid) - before
    if "Non-2xx" in out or "Socket errors" in out:
        raise SystemExit(f"failed requests at {url}:\n{out}")
    count = int(re.findall(r"(\d+) requests in", out)[0])
    number, unit = re.findall(r"99%\s+([\d.]+)(us|ms|s)", out)[0]
    p99 = float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
    return Round(float(re.findall(r"Requests/sec:\s+([\d.]+)", out)[0]), spent / count * 1e6, p99)


@contextmanager
def nginx(folder: Path, name: str, core: int, http: str, **values: object) -> Iterator[int]:
    """Run an nginx of our own; give its process id."""
    config = folder / f"{name}.conf"
    config.write_text(NGINX.format(folder=folder, name=name, http=http.format(folder=folder, **values)))
    with running(pinned(core, ["nginx", "-c", str(config), "-p", str(folder)])) as pid:
        yield pid


@contextmanager
def hostess(folder: Path, core: int, port: int, backend: int) -> Iterator[int]:
    """Run the proxy with one worker; give its process id."""
    table = folder / "table.json"
    route = {"host": "a.localhost", "service": "a", "release": "1", "targets": [f"127.0.0.1:{backend}"]}
    table.write_text(json.dumps({"routes": [route]}))
    settings = {"HTTP": f"127.0.0.1:{port}", "HTTPS": "", "WORKERS": "1"}
    environ = {**os.environ, **{f"HOSTESS_PROXY__{key}": value for key, value in settings.items()}}
    command = [sys.executable, "-m", "hostess_proxy", "--table", str(table), "--data-dir", str(folder / "data")]
    with running(pinned(core, command), environ) as pid:
        yield pid


@contextmanager
def running(command: list[str], environ: dict[str, str] | None = None) -> Iterator[int]:
    """Run a program until the block ends."""
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL) as process:
        try:
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)


def install_missing() -> None:
    """Install the peer and the load generator from Debian where they are missing; the service nginx is not left running."""
    if shutil.which("nginx") and shutil.which("wrk"):
        return
    say("installing nginx-light and wrk")
    apt = ["apt-get", "install", "-y", "--no-install-recommends", "nginx-light", "wrk"]
    subprocess.run(apt, check=True, stdout=sys.stderr)
    subprocess.run(["service", "nginx", "stop"], check=False, stdout=sys.stderr)


def load_script(folder: Path) -> Path:
    """Write wrk's script: the fields of a browser."""
    script = folder / "fields.lua"
    fields = {"Host": "a.localhost", **FIELDS}
    script.write_text(
        "".join(f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}\n" for name, value in fields.items())
    )
    return script


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and its living descendants."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    own = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return own + sum(cpu_seconds(int(child)) for task in tasks for child in task.read_text().split())


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0]) / 1024


def nginx_version() -> str:
    """Return the peer's name and version."""
    return (
        "nginx "
        + subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr.strip().rpartition("/")[2]
    )


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    with ExitStack() as stack:
        return [stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(count)]


def wait_for(port: int) -> None:
    """Return when somebody accepts connections there."""
    give_up = time.monotonic() + 15
    while time.monotonic() < give_up:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"nobody listens on port {port}")


def pinned(core: int, command: list[str]) -> list[str]:
    """Return the command that runs on one core only."""
    return ["taskset", "-c", str(core), *command]


def figure(name: str, value: float, unit: str, peer: str, detail: Mapping[str, object]) -> None:
    """Print one figure."""
    print(
        json.dumps({"name": name, "value": round(value, 2), "unit": unit, "peer": peer, "detail": detail}), flush=True
    )


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

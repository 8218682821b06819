"""The proxies that are compared, each on one core with the same work to do, and the backend behind them.

All keep connections to the backend, know the same 1,000 hosts, write an access log, set the forwarding fields and a request id,
and serve HTTP, and HTTPS with HTTP/2, with the same certificate.
"""

import datetime as dt
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOSTS = [f"shop-{number}.localhost" for number in range(1000)]
BODIES = {"small": 12, "10k": 10 * 1024, "1m": 1024 * 1024}
GIGABYTE = 1024 * 1024 * 1024
DEBIAN = ("nginx-light", "haproxy", "caddy", "wrk", "nghttp2-client", "curl")

_NGINX = """
worker_processes 1; daemon off; pid {folder}/{name}.pid; error_log stderr crit;
events {{ worker_connections 16384; }}
http {{
  client_body_temp_path {folder}/{name}-1; proxy_temp_path {folder}/{name}-2; fastcgi_temp_path {folder}/{name}-3;
  uwsgi_temp_path {folder}/{name}-4; scgi_temp_path {folder}/{name}-5; client_max_body_size 0;
  server_names_hash_max_size 8192; keepalive_requests 1000000000; keepalive_timeout 3600; {http}
}}
"""
_NGINX_BACKEND = """
  access_log off; server {{ listen 127.0.0.1:{backend} backlog=1024; root {folder}/www;
    location /upload {{ proxy_pass http://127.0.0.1:{drain}; proxy_request_buffering off; proxy_http_version 1.1; }} }}
"""
_NGINX_PROXY = """
  log_format line escape=json '{{"ts":"$time_iso8601","id":"$request_id","client":"$remote_addr","method":"$request_method",'
    '"host":"$host","path":"$request_uri","status":$status,"out":$body_bytes_sent,"ms":$request_time,'
    '"upstream":"$upstream_response_time","target":"$upstream_addr","ua":"$http_user_agent"}}';
  access_log {folder}/nginx.log line buffer=64k flush=1s;
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 256; keepalive_requests 1000000000; }}
  ssl_certificate {folder}/chain.pem; ssl_certificate_key {folder}/key.pem; ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache shared:tls:10m;
  server {{ listen 127.0.0.1:{http} backlog=4096; listen 127.0.0.1:{https} ssl http2 backlog=4096;
    server_name {hosts};
    location /upload {{ proxy_pass http://127.0.0.1:{drain}; proxy_request_buffering off; proxy_http_version 1.1; }}
    location / {{
    proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host;
    proxy_set_header X-Request-Id $request_id; add_header X-Request-Id $request_id; }} }}
"""
_HAPROXY = """
global
  nbthread 1
  maxconn 4096
  log stdout format raw local0
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  log global
  option httplog
  option forwardfor
  timeout connect 2s
  timeout client 1h
  timeout server 60s
  http-reuse always
frontend web
  bind 127.0.0.1:{http} backlog 4096
  bind 127.0.0.1:{https} ssl crt {folder}/both.pem alpn h2,http/1.1 backlog 4096
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
  http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Real-IP %[src]
  http-response set-header X-Request-Id %[unique-id]
  http-request deny deny_status 404 unless {{ req.hdr(host),host_only,map_str({folder}/hosts.map) -m found }}
  use_backend upload if {{ path_beg /upload }}
  default_backend app
backend app
  server one 127.0.0.1:{backend}
backend upload
  server one 127.0.0.1:{drain}
"""
_CADDY = """
{{
  admin off
  auto_https off
  log {{
    output discard
  }}
}}
(shop) {{
  log {{
    output file {folder}/caddy.log
  }}
  header X-Request-Id {{http.request.uuid}}
  reverse_proxy /upload 127.0.0.1:{drain}
  reverse_proxy 127.0.0.1:{backend} {{
    header_up X-Request-Id {{http.request.uuid}}
    header_up X-Real-IP {{remote_host}}
  }}
}}
{sites} {{
  tls {folder}/chain.pem {folder}/key.pem
  import shop
}}
{plain} {{
  import shop
}}
"""


class Peer(NamedTuple):
    """A proxy that runs: what it calls itself, its first process, and its ports on the loopback."""

    name: str
    pid: int
    http: int
    https: int


class Stage(NamedTuple):
    """Where everything lives: a folder, the cores for proxies and for load and backend, and the backend's two ports."""

    folder: Path
    proxy_core: int
    load_core: int
    backend: int
    drain: int


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Make certificate and files, and run the backend: nginx with files, and a server that swallows uploads."""
    folder.chmod(0o755)  # nginx drops root
    (folder / "www").mkdir()
    for body, size in BODIES.items():
        (folder / "www" / body).write_bytes(b"x" * size)
    with (folder / "www" / "1g").open("wb") as file:
        file.truncate(GIGABYTE)
    (folder / "hosts.map").write_text("".join(f"{host} 1\n" for host in HOSTS))
    make_certificate(folder)
    first, second = sorted(os.sched_getaffinity(0))[:2]
    backend, drain = free_ports(2)
    made = Stage(folder, first, second, backend, drain)
    drain_program = [sys.executable, str(Path(__file__).with_name("drain.py")), str(drain)]
    with nginx(made, "backend", second, _NGINX_BACKEND), running(pinned(second, drain_program)):
        wait_for(backend)
        wait_for(drain)
        yield made


@contextmanager
def peers(on: Stage, *names: str) -> Iterator[list[Peer]]:
    """Run the proxies that are named, all on the same core; only one is loaded at a time."""
    start = {"nginx": nginx_proxy, "haproxy": haproxy, "caddy": caddy, "hostess": hostess}
    with ExitStack() as stack:
        made = []
        for name in names:
            http, https = free_ports(2)
            made.append(Peer(version(name), stack.enter_context(start[name](on, http, https)), http, https))
        for peer in made:
            wait_for(peer.http)
            wait_for(peer.https)
        yield made


@contextmanager
def nginx(on: Stage, name: str, core: int, inside: str, **values: object) -> Iterator[int]:
    """Run an nginx of our own; give its process id."""
    config = on.folder / f"{name}.conf"
    inner = inside.format(folder=on.folder, backend=on.backend, drain=on.drain, **values)
    config.write_text(_NGINX.format(folder=on.folder, name=name, http=inner))
    with running(pinned(core, ["nginx", "-c", str(config), "-p", str(on.folder)])) as pid:
        yield pid


@contextmanager
def nginx_proxy(on: Stage, http: int, https: int) -> Iterator[int]:
    """Run nginx as the proxy."""
    with nginx(on, "proxy", on.proxy_core, _NGINX_PROXY, http=http, https=https, hosts=" ".join(HOSTS)) as pid:
        yield pid


@contextmanager
def haproxy(on: Stage, http: int, https: int) -> Iterator[int]:
    """Run HAProxy; its log goes to a file."""
    config = on.folder / "haproxy.cfg"
    config.write_text(_HAPROXY.format(folder=on.folder, http=http, https=https, backend=on.backend, drain=on.drain))
    with (
        (on.folder / "haproxy.log").open("wb") as log,
        running(pinned(on.proxy_core, ["haproxy", "-db", "-f", str(config)]), output=log.fileno()) as pid,
    ):
        yield pid


@contextmanager
def caddy(on: Stage, http: int, https: int) -> Iterator[int]:
    """Run Caddy with one processor."""
    config = on.folder / "Caddyfile"
    config.write_text(
        _CADDY.format(
            folder=on.folder,
            sites=", ".join(f"https://{host}:{https}" for host in HOSTS),
            plain=", ".join(f"http://{host}:{http}" for host in HOSTS),
            backend=on.backend,
            drain=on.drain,
        )
    )
    environ = {**os.environ, "GOMAXPROCS": "1", "HOME": str(on.folder)}
    command = pinned(on.proxy_core, ["caddy", "run", "--adapter", "caddyfile", "--config", str(config)])
    with running(command, environ, output=subprocess.DEVNULL, errors=subprocess.DEVNULL) as pid:
        yield pid


@contextmanager
def hostess(on: Stage, http: int, https: int, workers: int = 1) -> Iterator[int]:
    """Run our proxy with one worker; give its process id."""
    table = on.folder / "table.json"
    where = {"service": "shop", "release": "1", "project": "bench"}
    routes = [{**where, "host": host, "targets": [f"127.0.0.1:{on.backend}"]} for host in HOSTS]
    uploads = [{**where, "host": host, "path": "/upload", "targets": [f"127.0.0.1:{on.drain}"]} for host in HOSTS]
    certificate = {"names": ["localhost", "*.localhost", "*"], "chain": "chain.pem", "key": "key.pem"}
    table.write_text(json.dumps({"routes": routes + uploads, "certificates": [certificate]}))
    settings = {"HTTP": f"127.0.0.1:{http}", "HTTPS": f"127.0.0.1:{https}", "WORKERS": str(workers)}
    # All connections of a measurement come from one address.
    settings["CONNECTIONS_PER_CLIENT"] = "0"
    environ = {**os.environ, **{f"HOSTESS_PROXY__{key}": value for key, value in settings.items()}}
    data = on.folder / f"data-{workers}"
    command = [sys.executable, "-m", "hostess_proxy", "--table", str(table), "--data-dir", str(data)]
    with running(command if workers > 1 else pinned(on.proxy_core, command), environ) as pid:
        yield pid


@contextmanager
def running(
    command: list[str],
    environ: dict[str, str] | None = None,
    output: int = subprocess.DEVNULL,
    errors: int | None = None,
) -> Iterator[int]:
    """Run a program until the block ends."""
    with subprocess.Popen(command, env=environ, stdout=output, stderr=errors) as process:
        try:
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def install_missing() -> None:
    """Install peers and load generators from Debian where they are missing; no service of theirs is left running."""
    programs = ("nginx", "haproxy", "caddy", "wrk", "h2load", "curl")
    if all(shutil.which(program) for program in programs):
        return
    print("installing " + ", ".join(DEBIAN), file=sys.stderr, flush=True)
    # A policy of 101 keeps Debian from starting what it installs.
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        command = ["apt-get", "install", "-y", "--no-install-recommends", *DEBIAN]
        if subprocess.run(command, check=False, stdout=sys.stderr).returncode:
            subprocess.run(["apt-get", "update"], check=True, stdout=sys.stderr)
            subprocess.run(command, check=True, stdout=sys.stderr)
    finally:
        if ours:
            policy.unlink()


def version(name: str) -> str:
    """Return a peer's name and version, as "nginx 1.22.1"."""
    asked = {"nginx": ["nginx", "-v"], "haproxy": ["haproxy", "-v"], "caddy": ["caddy", "version"]}.get(name)
    if asked is None:
        return name
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    words = (done.stdout + done.stderr).replace("/", " ").split()
    return f"{name} {next(word for word in words if word[0].isdigit()).partition('-')[0]}"


def make_certificate(folder: Path) -> None:
    """Write a P-256 certificate for all hosts: chain.pem, key.pem, and both in one file, as HAProxy wants it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("localhost"), x509.DNSName("*.localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "chain.pem").write_bytes(chain)
    for file, text in (("key.pem", secret), ("both.pem", chain + secret)):
        (folder / file).touch(mode=0o600)
        (folder / file).write_bytes(text)


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    with ExitStack() as stack:
        return [stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(count)]


def wait_for(port: int) -> None:
    """Return when somebody accepts connections there."""
    give_up = time.monotonic() + 20
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

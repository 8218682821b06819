"""The proxy's settings: from a TOML file, over it the environment, over that the command line."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Final

from hostess_proxy.crowd import CLIENT_PLACES
from hostess_proxy.telemetry.log_lines import FORMATS

LOG_SIZE: Final = 100 * 1024 * 1024
LOG_KEEP: Final = 5
DEFAULT_CONFIG = Path("/etc/hostess/config.toml")
_PREFIX = "HOSTESS_"
_MAX_PORT = 65535


class SettingsError(ValueError):
    """A setting that cannot be used; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. An empty *host* stands for all addresses, IPv4 and IPv6."""

    host: str
    port: int


DEFAULT_HTTPS: Final = Address("", 443)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the proxy needs to know. *workers* is at least 1.

    *access_log* is "file", "stdout" or "off", its format "json" or "combined"; a file of *access_log_size* bytes (0: of any size) is
    rotated, and *access_log_keep* older ones stay.

    *inside* is where the host's firewall leads what is sent to virtual addresses, *metrics* where Prometheus may ask, *postgres* and
    *redis* where databases are reached from outside. *connections*
    is what each worker may hold (0: as many as is sensible), *connections_per_client* a client's share of them (0: no limit).
    """

    data_dir: Path
    http: Address | None
    https: Address | None
    workers: int
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    access_log: str = "file"
    access_log_format: str = "json"
    access_log_size: int = LOG_SIZE
    access_log_keep: int = LOG_KEEP
    drain_seconds: float = 30.0
    inside: Address | None = None
    connections: int = 0
    connections_per_client: int = CLIENT_PLACES
    metrics: Address | None = None
    postgres: Address | None = None
    redis: Address | None = None

    @property
    def log_path(self) -> Path:
        """Where the access log goes when it is a file."""
        return self.data_dir / "logs" / "access.log"

    @property
    def table_path(self) -> Path:
        """Where the last good table is kept."""
        return self.data_dir / "proxy" / "table.json"

    @property
    def run_dir(self) -> Path:
        """Where socket, lock and proxy.json are."""
        return self.data_dir / "run"


def read(environ: Mapping[str, str], config: Path | None = None, data_dir: Path | None = None) -> Settings:
    """Return the settings; SettingsError names the first one that cannot be used.

    A *config* that is named must exist; the default one need not.
    """
    file = _read_file(config)
    proxy = file.get("proxy", {})
    if not isinstance(proxy, dict):
        raise SettingsError("proxy: expected a table")

    def setting(name: str, default: object) -> object:
        return environ.get(f"{_PREFIX}PROXY__{name.upper()}", proxy.get(name, default))

    folder = data_dir or Path(environ.get(f"{_PREFIX}DATA_DIR", file.get("data_dir", "/var/lib/hostess")))
    return Settings(
        data_dir=folder.absolute(),
        http=parse_address("proxy.http", setting("http", ":80")),
        https=parse_address("proxy.https", setting("https", f":{DEFAULT_HTTPS.port}")),
        workers=_count("proxy.workers", setting("workers", 0)) or len(os.sched_getaffinity(0)),
        trusted_proxies=_networks(setting("trusted_proxies", [])),
        access_log=_one_of("proxy.access_log", setting("access_log", "file"), ("file", "stdout", "off")),
        access_log_format=_one_of("proxy.access_log_format", setting("access_log_format", "json"), tuple(FORMATS)),
        access_log_size=_count("proxy.access_log_size", setting("access_log_size", LOG_SIZE)),
        access_log_keep=_count("proxy.access_log_keep", setting("access_log_keep", LOG_KEEP), least=1),
        drain_seconds=_seconds(setting("drain_seconds", 30.0)),
        inside=parse_address("proxy.inside", setting("inside", "")),
        connections=_count("proxy.connections", setting("connections", 0)),
        connections_per_client=_count("proxy.connections_per_client", setting("connections_per_client", CLIENT_PLACES)),
        metrics=parse_address("proxy.metrics", setting("metrics", "")),
        postgres=parse_address("proxy.postgres", setting("postgres", "")),
        redis=parse_address("proxy.redis", setting("redis", "")),
    )


def _one_of(name: str, raw: object, choices: Sequence[str]) -> str:
    if raw not in choices:
        raise SettingsError(f"{name}: expected {', '.join(choices[:-1])} or {choices[-1]}")
    return str(raw)


def parse_address(name: str, raw: object) -> Address | None:
    """Return where to listen: "host:port", "[::]:port", ":port" for all addresses; None for "" (do not listen)."""
    if raw == "":
        return None
    host, colon, port = str(raw).rpartition(":")
    if not colon or not port.isdecimal() or int(port) > _MAX_PORT or (":" in host and not host.startswith("[")):
        raise SettingsError(f"{name}: {raw!r} is not host:port")
    return Address(host.strip("[]"), int(port))


def _read_file(config: Path | None) -> dict[str, Any]:
    path = config or DEFAULT_CONFIG
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        if config is None:
            return {}
        raise SettingsError(f"{path}: no such file") from None
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from error


def _count(name: str, raw: object, least: int = 0) -> int:
    try:
        count = int(str(raw))
    except ValueError:
        count = -1
    if count < least:
        raise SettingsError(f"{name}: {raw!r} is not a number{f' from {least} on' if least else ''}")
    return count


def _networks(raw: object) -> tuple[IPv4Network | IPv6Network, ...]:
    texts: Sequence[object] = (
        raw.replace(",", " ").split() if isinstance(raw, str) else raw if isinstance(raw, list) else [raw]
    )
    try:
        return tuple(ip_network(str(text).strip("[]\"'")) for text in texts if str(text).strip("[]\"'"))
    except ValueError as error:
        raise SettingsError(f"proxy.trusted_proxies: {error}") from error


def _seconds(raw: object) -> float:
    try:
        seconds = float(str(raw))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise SettingsError(f"proxy.drain_seconds: {raw!r} is not a number of seconds")
    return seconds

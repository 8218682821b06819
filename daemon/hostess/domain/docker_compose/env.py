"""Environment values of Compose services with the hosts, URLs and credentials of other services as magic variables."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hostess.domain.docker_compose.values import Surroundings, closed, magic
from hostess.domain.hostess_yml.stack import ServiceType

_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.:-]*)://(?:(?P<user>[^@/\s]*)@)?(?P<host>[A-Za-z0-9_.-]+)(?::(?P<port>\d{1,5}))?(?P<path>/[^\s?#,;\"']*)?"
)
_ADDRESS = re.compile(r"(?<![\w./@:-])(?P<host>[A-Za-z0-9_][A-Za-z0-9_.-]*):(?P<port>\d{1,5})(?![\w.-])", re.ASCII)
_SETTING = re.compile(r"(?i)\b(?P<key>host|server|user ?id|username|password|pwd|database)=(?P<value>[^;\s]+)")
_BROWSER = re.compile(r"(?:NEXT_PUBLIC|VITE|REACT_APP|NUXT_PUBLIC|GATSBY|EXPO_PUBLIC|VUE_APP|PUBLIC)_")
_HOST_KEY = re.compile(r"HOST|SERVER|ADDR|ENDPOINT|UPSTREAM|BROKER|BOOTSTRAP|SERVICE", re.IGNORECASE)
_KEYS = {
    "password": re.compile(r"PASS|PWD|REQUIREPASS", re.IGNORECASE),
    "user": re.compile(r"USER|LOGIN", re.IGNORECASE),
    "database": re.compile(r"(?:DB|DATABASE|DB_?NAME|DATABASE_NAME)$", re.IGNORECASE),
    "port": re.compile(r"\w+PORT$", re.IGNORECASE),
}
_SETTING_KEYS = {
    "host": "host",
    "server": "host",
    "userid": "user",
    "username": "user",
    "password": "password",
    "pwd": "password",
    "database": "database",
}
_OF_REDIS = frozenset({"password", "port", "host"})


@dataclass(frozen=True, slots=True)
class Peer:
    """What others need to know of a service: its new name, type and ports; of a database what it is called in the Compose file."""

    name: str
    type: ServiceType
    ports: tuple[int, ...] = ()
    credentials: Mapping[str, str] | None = None

    @property
    def is_database(self) -> bool:
        """Whether it became a managed database."""
        return self.type in {ServiceType.POSTGRES, ServiceType.REDIS}

    def knows(self, what: str) -> bool:
        """Whether a database has this property."""
        return self.type is ServiceType.POSTGRES or what in _OF_REDIS


def rewritten(
    env: Mapping[str, str | None], peers: Mapping[str, Peer], waits_for: Iterable[str], around: Surroundings
) -> dict[str, str]:
    """Return the environment for hostess.yml; *peers* are all services by every name that they have in the Compose file."""
    used = _databases(env, peers, waits_for)
    return {name: _value(name, raw, peers, used, around) for name, raw in env.items()}


def _databases(env: Mapping[str, str | None], peers: Mapping[str, Peer], waits_for: Iterable[str]) -> list[Peer]:
    """Return the databases that a service uses: those that it names or waits for."""
    named = {word for raw in env.values() for word in re.findall(r"[\w.-]+", raw or "")}
    found = [peer for alias, peer in peers.items() if peer.is_database and (alias in named or alias in waits_for)]
    return list({peer.name: peer for peer in found}.values())


def _value(name: str, raw: str | None, peers: Mapping[str, Peer], used: list[Peer], around: Surroundings) -> str:
    if raw is None:
        return closed(around.env_text(f"${{{name}}}"))
    found = _credential(name, raw, used)
    if found:
        return closed(found)
    text = around.env_text(raw)
    if text in peers and _HOST_KEY.search(name):
        return closed(magic(f"{peers[text].name}.host"))
    browser = _BROWSER.match(name) is not None
    text = _URL.sub(lambda match: _url(match, peers, browser=browser), text)
    text = _ADDRESS.sub(lambda match: _address(match, peers), text)
    return closed(_settings(text, peers, used))


def _credential(name: str, raw: str, used: list[Peer]) -> str:
    """Return the magic variable of a value that repeats what a database was given; "" for any other value."""
    for peer in used:
        for what, known in (peer.credentials or {}).items():
            if raw and raw == known and peer.knows(what) and _KEYS[what].search(name):
                return magic(f"{peer.name}.{what}")
    return ""


def _url(match: re.Match[str], peers: Mapping[str, Peer], *, browser: bool) -> str:
    peer = peers.get(match["host"])
    if peer is None:
        return match[0]
    if peer.is_database:
        return _database_url(match, peer)
    scheme, path = match["scheme"], match["path"] or ""
    if scheme in {"http", "https"}:
        return _http_url(match, peer, browser=browser) + path
    if scheme in {"ws", "wss"} and browser and peer.ports:
        return f"wss://{magic(f'{peer.name}.external_host')}{path}"
    user = f"{match['user']}@" if match["user"] is not None else ""
    port = f":{match['port']}" if match["port"] else ""
    return f"{scheme}://{user}{magic(f'{peer.name}.host')}{port}{path}"


def _database_url(match: re.Match[str], peer: Peer) -> str:
    scheme, path = match["scheme"], match["path"] or ""
    address = f"{magic(f'{peer.name}.host')}:{magic(f'{peer.name}.port')}"
    if peer.type is ServiceType.REDIS:
        if path in {"", "/", "/0"}:
            return magic(f"{peer.name}.url")
        return f"redis://:{magic(f'{peer.name}.password')}@{address}{path}"
    if scheme in {"postgres", "postgresql"}:
        return magic(f"{peer.name}.url")
    user = f"{magic(f'{peer.name}.user')}:{magic(f'{peer.name}.password')}@" if match["user"] is not None else ""
    return f"{scheme}://{user}{address}/{magic(f'{peer.name}.database')}"


def _http_url(match: re.Match[str], peer: Peer, *, browser: bool) -> str:
    port = int(match["port"]) if match["port"] else 443 if match["scheme"] == "https" else 80
    if port not in peer.ports:
        shown = f":{match['port']}" if match["port"] else ""
        return f"http://{magic(f'{peer.name}.host')}{shown}"
    index = peer.ports.index(port)
    numbered = f"port_{index + 1}." if index else ""
    return magic(f"{peer.name}.{numbered}{'external_url' if browser else 'url'}")


def _address(match: re.Match[str], peers: Mapping[str, Peer]) -> str:
    peer = peers.get(match["host"])
    if peer is None:
        return match[0]
    port = magic(f"{peer.name}.port") if peer.is_database else match["port"]
    return f"{magic(f'{peer.name}.host')}:{port}"


def _settings(text: str, peers: Mapping[str, Peer], used: list[Peer]) -> str:
    """Return a connection string of the kind "Host=db;Password=x" with what belongs to a database replaced."""
    hosts = [match["value"] for match in _SETTING.finditer(text) if _key(match) == "host"]
    peer = next((peers[host] for host in hosts if host in peers and peers[host].is_database), None)
    if peer is None or peer.name not in {known.name for known in used}:
        return text

    def replace(match: re.Match[str]) -> str:
        return f"{match['key']}={magic(f'{peer.name}.{_key(match)}')}" if peer.knows(_key(match)) else match[0]

    return _SETTING.sub(replace, text)


def _key(match: re.Match[str]) -> str:
    return _SETTING_KEYS[match["key"].lower().replace(" ", "")]

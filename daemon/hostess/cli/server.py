"""Which daemon to talk to: what was given, else the one on this host for those who may use its socket, else the saved login."""

import json
import os
import re
import stat
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from hostess.cli.failure import NOT_ALLOWED, UNREACHABLE, USAGE, Failure

DEFAULT_URL = "http://127.0.0.1:7654"
DEFAULT_DATA_DIR = "/var/lib/hostess"
SETTINGS = Path("/etc/hostess/config.toml")
_TOKEN = re.compile(r"[!-~]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Server:
    """Where the API is: a URL and a token, or a unix socket."""

    url: str = ""
    token: str = ""
    socket: Path | None = None

    def __str__(self) -> str:
        return str(self.socket) if self.socket else self.url


def usable(path: Path) -> bool:
    """Whether this user may connect to the socket *path*."""
    return os.access(path, os.W_OK)


def find_server(url: str | None, token: str | None, may_use: Callable[[Path], bool] = usable) -> Server:
    """Return the daemon to talk to; Failure when there is none."""
    token = whole_token(token or "")
    if url and token:
        return Server(_checked(url), token)
    saved = saved_login()
    if url:
        same = saved is not None and same_place(saved.url, url)
        return Server(_checked(url), saved.token if saved and same else "")
    if token:
        return Server(saved.url if saved else local_url(), token)
    path = data_dir() / "run" / "api.sock"
    if saved is not None and not may_use(path):
        return saved
    return Server(socket=_local_socket(path, may_use))


def whole_token(text: str) -> str:
    """Return a token without the white space around it, as files and variables have it; Failure for what can be none."""
    token = text.strip()
    if not _TOKEN.fullmatch(token):
        raise Failure(
            "the token has a space, a line break or another character that no token has",
            exit_code=USAGE,
            remedy="give it as `hostess tokens create` printed it, by --token, HOSTESS_TOKEN or `hostess login`",
        )
    return token


def login_file() -> Path:
    """Return where the login is saved."""
    return Path.home() / ".config" / "hostess" / "config.json"


def saved_login() -> Server | None:
    """Return the saved login, if there is one."""
    path = login_file()
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        return Server(str(saved["url"]), str(saved["token"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Failure(
            f"the saved login {path} cannot be read: {error}", remedy="`hostess login` makes it anew"
        ) from error


def save_login(server: Server) -> Path:
    """Save a login so that only its owner can read it."""
    path = login_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 -- a descriptor, not a path
        json.dump({"url": server.url, "token": server.token}, file)
    beside.replace(path)
    return path


def data_dir(settings: Path = SETTINGS) -> Path:
    """Return the data folder of this host's daemon: as the environment says, or the settings file, where that can be read."""
    if told := os.environ.get("HOSTESS_DATA_DIR"):
        return Path(told)
    try:
        return Path(str(tomllib.loads(settings.read_text(encoding="utf-8"))["data_dir"]))
    except (OSError, ValueError, KeyError):
        return Path(DEFAULT_DATA_DIR)


def local_url() -> str:
    """Return the URL of this host's daemon: what it wrote down, else the default."""
    try:
        facts = json.loads((data_dir() / "run" / "daemon.json").read_text(encoding="utf-8"))
        return f"http://{facts['api']}"
    except (OSError, ValueError, KeyError, TypeError):
        return DEFAULT_URL


def same_place(one: str, other: str) -> bool:
    """Whether two URLs have the same scheme, host and port; what is no URL is at no place."""
    try:
        return _origin(one) == _origin(other)
    except ValueError:
        return False


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _checked(url: str) -> str:
    try:
        scheme, host, _ = _origin(url)
    except ValueError:
        scheme = host = ""
    if scheme not in {"http", "https"} or not host:
        raise Failure(f"{url} is not a URL such as https://hostess.example.com or {DEFAULT_URL}", exit_code=2)
    return url.rstrip("/")


def _local_socket(path: Path, may_use: Callable[[Path], bool]) -> Path:
    sign_in = "sign in to a daemon elsewhere with `hostess login`, or give --url and --token"
    try:
        found = stat.S_ISSOCK(path.stat().st_mode)
    except PermissionError:
        found = True
    except OSError:
        found = False
    if not found:
        raise Failure(
            f"no daemon runs on this host ({path} is not there), and nobody is signed in",
            exit_code=UNREACHABLE,
            remedy=f"start it with `systemctl start hostess` (or `hostess daemon`), or {sign_in}",
        )
    if not may_use(path):
        raise Failure(
            f"this user may not use {path}",
            exit_code=NOT_ALLOWED,
            remedy=f"use sudo or join the group hostess-admin, or {sign_in}",
        )
    return path

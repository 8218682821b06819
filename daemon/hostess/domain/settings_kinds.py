"""The kinds of values that settings are made of: how each is written, and what is refused."""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from hostess.domain.drains import target
from hostess.domain.jobs.cron import is_schedule

_DNS_PORT = 53
_HOST_NAME = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_SUBMISSION = 587


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; an empty *host* means all addresses, IPv4 and IPv6. Port 0 lets the system choose."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the address that "host:port", "[v6]:port" or ":port" stands for; ValueError with a sentence otherwise."""
        host, colon, port = text.rpartition(":")
        if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004 -- the largest port
            raise ValueError(f'"{text}" is not an address such as 127.0.0.1:7654, [::1]:80 or :80')
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
            if ip_address(host).version != 6:  # noqa: PLR2004 -- IP version 6
                raise ValueError(f'"{text}": brackets are for IPv6 addresses')
        elif ":" in host:
            raise ValueError(f'"{text}": an IPv6 address is written in brackets, as [{host}]:{port}')
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _address(given: object) -> object:
    return Address.parse(given) if isinstance(given, str) else given


def _name_server(given: object) -> object:
    """Make an address of text; a name server's port may be left out."""
    if not isinstance(given, str):
        return given
    try:
        return Address(str(ip_address(given.strip("[]"))), _DNS_PORT)
    except ValueError:
        return Address.parse(given if ":" in given else f"{given}:{_DNS_PORT}")


def by_address(server: Address) -> Address:
    """Return a server that is named by its IP address; ValueError for another one."""
    try:
        ip_address(server.host)
    except ValueError:
        raise ValueError(f'"{server}": name servers to ask are given by their IP addresses') from None
    return server


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError(f'"{path}" is not an absolute path')
    return path


def _ip(text: str) -> str:
    return str(ip_address(text))


def _host_name(text: str) -> str:
    if not _HOST_NAME.fullmatch(text.lower()):
        raise ValueError(f'"{text}" is not a host name')
    return text.lower()


def _host_name_or_none(text: str) -> str:
    return text and _host_name(text)


def _mail_server(given: object) -> object:
    if not isinstance(given, str):
        return given
    found = Address.parse(given if re.search(r":\d+$", given) else f"{given}:{_SUBMISSION}")
    if not found.host or not found.port:
        raise ValueError(f'"{given}" is not a mail server such as smtp.example.com:587')
    return found


def mailbox(text: str) -> str:
    """Return an e-mail address as it is; ValueError for what is none."""
    if not re.fullmatch(r"[^\s@<>,;:]+@[^\s@<>,;:]+", text):
        raise ValueError(f'"{text}" is not an address such as ops@example.com')
    return text


def _web_url_or_none(text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme not in {"http", "https"} or not parts.hostname):
        raise ValueError("this is not a URL that begins with https:// or http://")
    return text


def _command_line(text: str) -> str:
    try:
        shlex.split(text)
    except ValueError as error:
        raise ValueError(f"this is not a program with arguments ({error})") from None
    return text


def written(read: Callable[[str], object]) -> BeforeValidator:
    """Read text by the rules of hostess.yml; a plain number (of seconds, of bytes) is left to the type."""

    def validate(given: object) -> object:
        if not isinstance(given, str):
            return given
        return int(given) if given.isascii() and given.isdigit() else read(given)

    return BeforeValidator(validate)


def _several(given: object) -> object:
    """Make a list of "a, b": that is how lists are written in the environment, and one entry in the file."""
    return [each.strip() for each in given.split(",") if each.strip()] if isinstance(given, str) else given


def _empty_is_none(given: object) -> object:
    return None if given == "" else given


def _directory(text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme != "https" or not parts.hostname or parts.username is not None):
        raise ValueError(f'"{text}" is not the https:// URL of an ACME directory')
    return text


def _drain(text: str) -> str:
    target(text)
    return text


T = TypeVar("T")
Listener = Annotated[Address, BeforeValidator(_address)]
HostName = Annotated[str, AfterValidator(_host_name)]
NameServer = Annotated[Address, BeforeValidator(_name_server)]
Folder = Annotated[Path, AfterValidator(_absolute)]
Directory = Annotated[str, AfterValidator(_directory)]
Several = Annotated[tuple[T, ...], BeforeValidator(_several)]
HostNameOrNone = Annotated[str, AfterValidator(_host_name_or_none)]
Ip = Annotated[str, AfterValidator(_ip)]
MailServer = Annotated[Address, BeforeValidator(_mail_server)]
Mailbox = Annotated[str, AfterValidator(mailbox)]
DrainUrl = Annotated[str, AfterValidator(_drain)]
WebUrl = Annotated[str, AfterValidator(_web_url_or_none)]
CommandLine = Annotated[str, AfterValidator(_command_line)]
Unless = Annotated[T | None, BeforeValidator(_empty_is_none)]
"""A value, or None written as empty text."""


def cron_or_off(text: str) -> str:
    """Return a schedule in its five fields or as a preset, or "off"; ValueError for anything else."""
    if text != "off" and not is_schedule(text):
        raise ValueError('must be five cron fields such as "30 3 * * *" (UTC), a preset such as daily, or "off"')
    return text


class Table(BaseModel):
    """Settings that belong together: every key is known, and none changes."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True)

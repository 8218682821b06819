"""The key that signs updates of a zone, from its file."""

import re

import dns.exception
import dns.name
import dns.tsig

from hostess.domain.problem import Problem
from hostess.domain.settings import DnsSettings

_WRITTEN = re.compile(r'key\s+"?([^\s"{]+)"?\s*\{(.*?)\}', re.DOTALL)
_ALGORITHM = re.compile(r'algorithm\s+"?([\w.-]+)"?\s*;')
_SECRET = re.compile(r'secret\s+"?([^\s";]+)"?\s*;')


def tsig_key(settings: DnsSettings) -> dns.tsig.Key | None:
    """Return the key of *key_file*, read anew: the secret alone (base64), or as `tsig-keygen` writes it, with name and algorithm.

    None where no file is set. Problem "dns-write-failed" for one that cannot be read, or holds no key.
    """
    if settings.key_file is None:
        return None
    try:
        text = settings.key_file.read_text(encoding="ascii").strip()
    except OSError as error:
        raise _unusable(settings, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _unusable(settings, "is no text") from None
    name, secret, algorithm = settings.key_name, text, str(settings.algorithm)
    if written := _WRITTEN.search(text):
        named, held = _ALGORITHM.search(written[2]), _SECRET.search(written[2])
        name, secret = settings.key_name or written[1], held[1] if held else ""
        algorithm = named[1] if named else algorithm
    if not name or not secret:
        raise _unusable(
            settings, "has no secret in it" if name else "has no name in it, and acme.dns.key_name is not set"
        )
    try:
        # An error of the decoder shows what it was given, so none of it goes on.
        return dns.tsig.Key(dns.name.from_text(name), secret, algorithm)
    except (ValueError, dns.exception.DNSException):
        raise _unusable(settings, "holds no secret in base64") from None


def _unusable(settings: DnsSettings, what: str) -> Problem:
    return Problem(
        "dns-write-failed",
        f"the key in {settings.key_file} {what}",
        serving="certificates that are served stay as they are",
        remedy="write the secret in base64, or the output of tsig-keygen, there, readable by the daemon's user alone",
    )

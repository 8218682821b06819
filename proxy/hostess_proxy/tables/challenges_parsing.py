"""Reading the challenges of a table: few and short, or they are refused."""

import re
from collections.abc import Mapping
from typing import Final

from hostess_proxy.tables.challenges import AlpnChallenge, Challenges
from hostess_proxy.tables.kinds import read_host, read_list, read_object
from hostess_proxy.tables.table import DEFAULT_HOST, TableError

MOST_CHALLENGES: Final = 1000
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")
_ANSWER = re.compile(r"[A-Za-z0-9_-]{1,128}\.[A-Za-z0-9_-]{1,128}")
_LONGEST_PATH = 4096


def read_challenges(place: str, raw: object) -> Challenges:
    """Return the challenges that *raw* stands for."""
    entry = read_object(place, raw, Challenges.__dataclass_fields__)
    alpn = read_list(f"{place}.alpn", entry.get("alpn", []))
    if len(alpn) > MOST_CHALLENGES:
        raise TableError(f"{place}.alpn", f"more than {MOST_CHALLENGES} entries")
    found = tuple(_alpn(f"{place}.alpn[{i}]", each) for i, each in enumerate(alpn))
    seen: set[str] = set()
    for index, each in enumerate(found):
        if each.name in seen:
            raise TableError(f"{place}.alpn[{index}].name", f"{each.name} is there already")
        seen.add(each.name)
    return Challenges(_http(f"{place}.http", entry.get("http", {})), found)


def _http(place: str, raw: object) -> Mapping[str, str]:
    if not isinstance(raw, dict) or len(raw) > MOST_CHALLENGES:
        raise TableError(place, f"expected an object of at most {MOST_CHALLENGES} tokens")
    for token, answer in raw.items():
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise TableError(place, "expected tokens in base64url, at most 128 characters")
        if not isinstance(answer, str) or not _ANSWER.fullmatch(answer):
            raise TableError(
                f"{place}.{token}", "expected a key authorization: two parts in base64url, joined by a dot"
            )
    return raw


def _alpn(place: str, raw: object) -> AlpnChallenge:
    entry = read_object(place, raw, AlpnChallenge.__dataclass_fields__, needed=("name", "chain", "key"))
    name = read_host(f"{place}.name", entry["name"])
    if name == DEFAULT_HOST or name.startswith(("*.", "[")):
        raise TableError(f"{place}.name", "expected the name of one host")
    for part in ("chain", "key"):
        path = entry[part]
        if not isinstance(path, str) or not path.startswith("/") or "\0" in path or len(path) > _LONGEST_PATH:
            raise TableError(f"{place}.{part}", "expected the absolute path of a file")
    return AlpnChallenge(name, entry["chain"], entry["key"])

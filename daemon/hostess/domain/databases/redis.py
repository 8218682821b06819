"""Redis: how it starts, what limits its memory, and the users of scoped databases with the commands that they may use. Pure."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import cast

from hostess.domain.hostess_yml.stack import Service
from hostess.domain.releases.release import Inside

DATABASES = 64
"""How many indexes it has; groups that are gone keep theirs."""

KEEP_POLICY = "noeviction"
ROOMY = 0.9
"""The part of the memory limit above which a cap is told: redis needs room beside its keys."""

# The users and the memory's limits are files beside the data: they outlive the container, and a change of them needs no new one.
# The default user is Hostess's own and the one of databases that are not scoped. Its line is given the password that only this container
# has, which the client in it uses; those of consumers, which may be rotated, are given to the running server.
# No password must be an argument: process lists show those. The entry point drops root's rights and runs the server.
START = (
    "cd /data && touch hostess.conf hostess.acl && "
    'if ! grep -q "^user default on .*#$REDIS_PASSWORD_HASH" hostess.acl; then { '
    'if grep -q "^user default on " hostess.acl; then grep "^user default on " hostess.acl | sed "s/$/ #$REDIS_PASSWORD_HASH/"; '
    'else printf "user default on ~* &* +@all #%s\\n" "$REDIS_PASSWORD_HASH"; fi; grep -v "^user default " hostess.acl; '
    "} > hostess.acl.next; chmod 600 hostess.acl.next; mv hostess.acl.next hostess.acl; fi; chown redis . hostess.acl; "
    "exec docker-entrypoint.sh redis-server /data/hostess.conf --dir /data --appendonly yes "
    f"--aclfile /data/hostess.acl --databases {DATABASES}"
)

# Words for the memory's limits come as the first argument, commands for the server by standard input.
APPLY = (
    'printf "%s" "$0" > /data/hostess.conf.next && chmod 644 /data/hostess.conf.next && '
    "mv -f /data/hostess.conf.next /data/hostess.conf && redis-cli"
)

LIST = ("redis-cli", "COMMAND", "LIST")
"""Which commands the server has: denying one that it lacks is an error."""

_GIVEN_BACK = ("info", "keys", "flushdb", "sort", "sort_ro", "restore")
"""Commands of @dangerous that stay within the index and that clients use."""

_ACROSS = ("swapdb", "move", "copy", "function", "client|tracking", "script|flush", "script|kill")
"""Commands of no such category that reach into other indexes or disturb those who use them."""

_SEARCHED = ("ft.", "ts.mget", "ts.mrange", "ts.mrevrange", "ts.queryindex")
"""What modules find by an index of their own, which is one for all."""


def maxmemory(service: Service) -> int:
    """Return the bytes at which keys are dropped or writes refused; 0 for none."""
    size, percent = service.special.get("maxmemory"), service.special.get("maxmemory_percent")
    return cap(cast("int | None", size), cast("int | None", percent), service.resources.memory)


def cap(size: int | None, percent: int | None, limit: int) -> int:
    """Return what a size, or a percentage of the memory limit, comes to in bytes; 0 when there is neither."""
    return limit * percent // 100 if percent is not None else size or 0


def digest(password: str) -> str:
    """Return what redis keeps in place of a password."""
    return hashlib.sha256(password.encode()).hexdigest()


def limits(inside: Inside) -> dict[str, str]:
    """Return the settings of the memory's limits."""
    return {"maxmemory": str(inside.maxmemory), "maxmemory-policy": inside.policy or KEEP_POLICY}


def limits_file(inside: Inside) -> str:
    """Return the lines that set them at the next start."""
    return "".join(f"{name} {value}\n" for name, value in limits(inside).items())


def own_user(digests: Iterable[str]) -> str:
    """Return the command that lets the default user have passwords, and no others; it may do everything."""
    return f"ACL SETUSER default on resetpass {_hashes(digests)} ~* &* +@all"


def user(group: str, index: int, digests: Iterable[str], known: Collection[str]) -> str:
    """Return the command that makes a group's user as it is to be: everything within its index, nothing beyond. *known* from LIST."""
    denied = [name for name in _ACROSS if name.partition("|")[0] in known]
    denied += sorted(name for name in known if name.startswith(_SEARCHED))
    rules = ["+@all", "-@admin", "-@dangerous", *(f"+{name}" for name in _GIVEN_BACK if name in known)]
    rules += [*(f"-{name}" for name in denied), "-select", f"+select|{index}"]
    return f"ACL SETUSER {group} reset on {_hashes(digests)} ~* &* {' '.join(rules)}"


def commands(
    inside: Inside, digests: Mapping[str, Sequence[str]], known: Collection[str], *, lasting: bool
) -> list[str]:
    """Return what redis-cli reads; each is answered with OK. *lasting*: whether users are written down, too (an older server cannot).

    *digests* are those of each user's passwords, "" being the default one.
    """
    users = [
        own_user(digests[""]),
        *(user(group, index, digests[group], known) for group, index in inside.groups.items()),
    ]
    saved = ["ACL SAVE"] if lasting else []
    return [*users, *saved, "CONFIG SET " + " ".join(f"{name} {value}" for name, value in limits(inside).items())]


def refusals(asked: Collection[str], answer: str) -> list[str]:
    """Return what redis-cli says in place of OK; it ends well whatever the server answers."""
    said = [line.strip() for line in answer.splitlines() if line.strip()]
    wrong = [line for line in said if line != "OK"]
    return wrong or ([] if len(said) == len(asked) else ["it did not answer"])


def _hashes(digests: Iterable[str]) -> str:
    return " ".join(f"#{digest}" for digest in digests)

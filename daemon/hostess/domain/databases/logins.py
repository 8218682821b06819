"""The passwords of a database's user while they are rotated: which are taken, which is given out, and as whom one logs in. Pure.

A user of redis may have several passwords. A role of PostgreSQL has one, so two roles take turns: the owner itself, and one that
becomes the owner as soon as it has logged in. Passwords are numbered, and the even ones are the owner's.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from hostess.domain.databases.scopes import LONGEST

SECOND = "_b"
_HASH = 8


@dataclass(frozen=True, slots=True)
class Logins:
    """Which passwords a database takes, by number (one, or two while consumers move), and which of them is given out."""

    taken: tuple[int, ...] = (0,)
    given: int = 0

    @property
    def settled(self) -> bool:
        """Whether only the password is taken that is given out."""
        return self.taken == (self.given,)

    def opened(self) -> "Logins":
        """Return them with one more password that is taken and not given out yet; those that move already are left as they are."""
        return replace(self, taken=(self.given, self.given + 1)) if self.settled else self

    def moved(self) -> "Logins":
        """Return them with the newest password given out."""
        return replace(self, given=max(self.taken))

    def after(self, live: Collection[int], used: Collection[int]) -> "Logins":
        """Return them when a deployment has ended: what is *live* decides what is given out, and what nobody has *used* is closed.

        Both hold numbers. So a rotation that failed is taken back by the same rule that completes one.
        """
        others = [number for number in self.taken if number in live]
        given = self.given if self.given in live or not others else others[-1]
        return Logins(tuple(number for number in self.taken if number == given or number in used), given)


def written(logins: Logins) -> str:
    """Return what is kept of them: "0* 1" while 0 is still given out."""
    return " ".join(f"{number}*" if number == logins.given else str(number) for number in logins.taken)


def read(text: str) -> Logins:
    """Return what was `written`."""
    words = text.split()
    [given] = [int(word[:-1]) for word in words if word.endswith("*")]
    return Logins(tuple(int(word.rstrip("*")) for word in words), given)


def second_of(owner: str) -> str:
    """Return the role that takes turns with *owner*: never longer than PostgreSQL keeps. No group's role has such a name."""
    if len(owner) <= LONGEST - len(SECOND):
        return owner + SECOND
    digest = hashlib.sha256(owner.encode()).hexdigest()[:_HASH]
    return f"{owner[: LONGEST - len(SECOND) - _HASH - 1]}_{digest}{SECOND}"


def role_of(owner: str, number: int) -> str:
    """Return the role that a password belongs to."""
    return second_of(owner) if number % 2 else owner


def roles_of(owner: str, passwords: Mapping[int, str]) -> dict[str, str | None]:
    """Return both roles, each with its password or, where it has none, None; *passwords* are those that are taken, by number."""
    found = {role_of(owner, number): password for number, password in passwords.items()}
    return {role: found.get(role) for role in (owner, second_of(owner))}

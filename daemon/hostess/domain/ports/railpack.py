"""Railpack, which builds images from source alone, in our words."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from hostess.domain.registries import RegistryLogin
from hostess.domain.releases.push import Say


@dataclass(frozen=True, slots=True)
class SourceOrder:
    """One image to build from source. *context* yields the source folder as a tar stream, in chunks, on a worker thread.

    *cache* names whose caches are used: equal names share them. *commanded*: hostess.yml says what starts. *logins* are for
    what fetches the images that it begins with. There is no place here for variables: nothing of a service's environment, and
    no secret, has a way into such a build.
    """

    tag: str
    context: Callable[[], Iterable[bytes]]
    cache: str
    timeout: timedelta
    commanded: bool = False
    no_cache: bool = False
    logins: tuple[RegistryLogin, ...] = ()


class Railpack(Protocol):
    """The program `railpack`, where this host has it."""

    async def version(self) -> str | None:
        """Return its version, None when it is not there; Problem "railpack-failed" when it does not answer."""

    async def build(self, order: SourceOrder, say: Say) -> str:
        """Build an image, known to the engine as *order.tag* then; return the shell's line that starts it ("" for none).

        Problem "railpack-failed", "buildkit-unreachable", "start-not-found", "build-timeout". Cancelling the coroutine ends the
        build.
        """

"""A service's `source:` built by Railpack, where the host has it: its image, marked as ours and started without its shell in front."""

import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from hostess.domain.ports import BuildOrder, Engine, Railpack, SourceOrder
from hostess.domain.problem import Problem
from hostess.domain.registries import RegistryLogin
from hostess.domain.releases.push import Say

DOCKERFILE = "Dockerfile"


class RailpackBuilds:
    """Has Railpack build, and makes of what it left an image like the others.

    Railpack's images have a shell as entrypoint, which takes the first word of any command for a script; hooks, one-off commands
    and `command:` in hostess.yml need one without.
    """

    def __init__(self, railpack: Railpack, engine: Engine) -> None:
        self._railpack = railpack
        self._engine = engine

    async def version(self) -> str | None:
        """Return the version of the Railpack that is used, None where there is none."""
        return await self._railpack.version()

    async def build(
        self, order: BuildOrder, say: Say, *, cache: str, commanded: bool, logins: tuple[RegistryLogin, ...] = ()
    ) -> str:
        """Return the id of the image that *order*'s context (which is source) becomes. Problems: those of `Railpack.build`."""
        raw = f"{order.tag}-railpack"
        source = SourceOrder(
            raw, order.context, cache, order.timeout, commanded=commanded, no_cache=order.no_cache, logins=logins
        )
        start = await self._railpack.build(source, say)
        if await self._engine.image(raw) is None:
            raise Problem(
                "railpack-failed",
                "Railpack ended well, but the container engine does not have its image",
                serving="nothing was switched: what served before serves on",
                remedy="see whether `docker load`, run by the daemon, reaches the engine that Hostess uses (engine.url, DOCKER_HOST)",
            )
        written = _dockerfile(raw, start)
        try:
            return await self._engine.build(
                replace(order, context=partial(_context, written), dockerfile=DOCKERFILE, args={}), say
            )
        finally:
            await self._engine.remove_image(raw)


def _dockerfile(image: str, start: str) -> str:
    command = f"CMD {json.dumps(['/bin/bash', '-c', start])}\n" if start else ""
    return f"FROM {image}\nENTRYPOINT []\n{command}"


def _context(dockerfile: str) -> Iterable[bytes]:
    """Yield a build context of one file."""
    archive = io.BytesIO()
    content = dockerfile.encode()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        member = tarfile.TarInfo(DOCKERFILE)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    yield archive.getvalue()

"""Images of the engine in memory: found, fetched, built, named and removed."""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from hostess.adapters.engine.pull import refused
from hostess.domain.ports import (
    BuildOrder,
    Image,
)
from hostess.domain.problem import Problem
from hostess.domain.registries import RegistryLogin, registry_of
from hostess.domain.releases.push import Say
from tests.fakes.building import Recipe, build, packed
from tests.fakes.images import stock


class FakeImages:
    """The images of an engine, and what all its calls have in common.

    What tests turn: *recipes* (name -> image that is here), *registry* (name -> image that a pull finds), *accounts* (host of a
    registry -> user and password that it wants), *fail* (method name -> Problem raised once), *unreachable*, *gate* (builds wait for
    it), *build_cache* (bytes). What tests read: *calls* ((method, name) in order), *orders* (builds).
    """

    def __init__(self) -> None:
        self.recipes: dict[str, Recipe] = {}
        self.accounts: dict[str, tuple[str, str]] = {}
        self.registry: dict[str, Recipe] = {"registry.test/echo:1": stock()["echo:1"]}
        self.fail: dict[str, Problem] = {}
        self.unreachable = False
        self.build_cache = 0
        self.gate: asyncio.Event | None = None
        self.calls: list[tuple[str, str]] = []
        self.orders: list[BuildOrder] = []
        self._images: dict[str, Image] = {}
        self._numbers = itertools.count(1)
        for name, recipe in stock().items():
            self.add_image(name, recipe)

    def add_image(
        self, name: str, recipe: Recipe, labels: Mapping[str, str] | None = None, identity: str = ""
    ) -> Image:
        """Put an image onto the engine, under its name."""
        identity = identity or f"sha256:{next(self._numbers):064x}"
        known = self._images.get(identity)
        image = known or Image(identity, (), labels or {}, 100_000, datetime.now(UTC))
        self.recipes[identity] = recipe
        self._images[identity] = image
        self._name(identity, name)
        return self._images[identity]

    async def image(self, reference: str) -> Image | None:
        """Return the local image of that name or id, or None."""
        self._enter("image", reference)
        return self._find(reference)

    async def images(self, labels: Mapping[str, str]) -> list[Image]:
        """Return the local images that carry all these labels."""
        self._enter("images", "")
        return [image for image in self._images.values() if labels.items() <= image.labels.items()]

    async def sign_in(self, login: RegistryLogin) -> None:
        """Take the logins of *accounts*."""
        self._enter("sign_in", login.host)
        if self.accounts.get(login.host) != (login.user, login.password):
            raise Problem("registry-refused", f"{login.host} does not take this user and password")

    async def pull(self, reference: str, say: Say, login: RegistryLogin | None = None) -> Image:
        """Fetch an image from *registry*; where the name has a port, nothing listens. Hosts of *accounts* want a login."""
        self._enter("pull", reference)
        say(f"pulling {reference}")
        account = self.accounts.get(registry_of(reference))
        if account is not None and (login is None or account != (login.user, login.password)):
            raise refused(reference, "pull access denied")
        if reference in self.registry:
            return self.add_image(reference, self.registry[reference])
        local = ":" in reference.partition("/")[0] and "/" in reference
        raise refused(reference, "dial tcp 127.0.0.1: connection refused" if local else "manifest unknown")

    async def remove_image(self, reference: str) -> None:
        """Remove a tag or an untagged id; an absent one, or one still in use, is no error."""
        self._enter("remove_image", reference)
        image = self._find(reference)
        if image is None:
            return
        left = tuple(tag for tag in image.tags if tag != reference)
        if left and reference in image.tags:
            self._images[image.id] = replace(image, tags=left)
        elif not left and not self._uses(image.id):
            del self._images[image.id]

    async def tag(self, image: str, tag: str) -> None:
        """Give a local image another name."""
        self._enter("tag", tag)
        found = self._find(image)
        if found is None:
            raise Problem("image-not-found", f"there is no image {image} on this host")
        self._name(found.id, tag)

    async def build(self, order: BuildOrder, say: Say) -> str:
        """Build an image as `tests.fakes.building` understands its Dockerfile."""
        self._enter("build", order.tag)
        self.orders.append(order)
        try:
            async with asyncio.timeout(order.timeout.total_seconds()):
                if self.gate is not None:
                    await self.gate.wait()
                built = await build(order, self._recipe, say)
        except TimeoutError as error:
            raise Problem("build-timeout", f"the build took longer than {order.timeout}") from error
        digest = f"{next(self._numbers):064x}" if order.no_cache else built.digest
        return self.add_image(order.tag, built.recipe, order.labels, f"sha256:{digest}").id

    async def trim_build_cache(self, keep: int) -> int:
        """Cut *build_cache* to *keep* bytes."""
        self._enter("trim_build_cache", str(keep))
        removed = max(self.build_cache - keep, 0)
        self.build_cache -= removed
        return removed

    async def export(self, image: str, path: str, take: Callable[[Iterable[bytes]], None]) -> None:
        """Hand the files below *path* to *take*, on a thread."""
        self._enter("export", image)
        found = self._find(image)
        if found is None:
            raise Problem("image-not-found", f"there is no image {image} on this host")
        inside = {n: data for n, data in (self.recipes[found.id].files or {}).items() if n.startswith(f"{path}/")}
        if not inside:
            raise Problem("path-not-found", f"the image has no {path}")
        cut = len(path) - len(path.rpartition("/")[2])
        await asyncio.to_thread(take, [packed({name[cut:]: data for name, data in inside.items()})])

    # ---- within

    def _uses(self, image: str) -> bool:
        raise NotImplementedError

    def _enter(self, method: str, name: str) -> None:
        self.calls.append((method, name))
        if self.unreachable:
            raise Problem("engine-unreachable", "the container engine cannot be reached: Connection refused")
        if method in self.fail:
            raise self.fail.pop(method)

    def _find(self, reference: str) -> Image | None:
        named = reference if ":" in reference else f"{reference}:latest"
        found = (
            image for image in self._images.values() if reference == image.id or {reference, named} & set(image.tags)
        )
        return next(found, None)

    def _recipe(self, reference: str) -> Recipe | None:
        image = self._find(reference)
        return self.recipes[image.id] if image else None

    def _name(self, identity: str, name: str) -> None:
        for other in list(self._images.values()):
            self._images[other.id] = replace(other, tags=tuple(tag for tag in other.tags if tag != name))
        image = self._images[identity]
        self._images[identity] = replace(image, tags=(*image.tags, name))

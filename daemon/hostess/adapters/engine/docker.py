"""The container engine: Docker, spoken to through its API."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool

from hostess.adapters.engine import events as engine_events
from hostess.adapters.engine import logs as engine_logs
from hostess.adapters.engine import terminal as engine_terminal
from hostess.adapters.engine.build import Building
from hostess.adapters.engine.build_limits import BuildLimits, Limit
from hostess.adapters.engine.calls import PATIENCE, Api, Calls, Line, checked, image_details, reason, url_of
from hostess.adapters.engine.exec import Executor
from hostess.adapters.engine.files import export, give_folders, put_files
from hostess.adapters.engine.pull import fetch, try_login
from hostess.adapters.engine.values import container_of, creation, facts_of, image_of, instant, label_filter, no_command
from hostess.domain.ports import (
    BuildOrder,
    Container,
    ContainerEvent,
    ContainerSpec,
    EngineFacts,
    Image,
    LogLine,
    Shell,
    Terminal,
)
from hostess.domain.problem import Problem
from hostess.domain.registries import RegistryLogin
from hostess.domain.releases.push import Say

T = TypeVar("T")

CONFLICT = 409
FORBIDDEN = 403
MTU = "com.docker.network.driver.mtu"


class DockerEngine:
    """The engine at *url* (None: DOCKER_HOST, else the local socket). Implements `ports.Engine`; to be closed."""

    def __init__(self, url: str | None = None, limits: BuildLimits | None = None) -> None:
        self._calls = Calls(url)
        self._limits = limits or BuildLimits()
        self._executor = Executor(self._calls, Path("/proc") if self._calls.local else None)
        self._info: dict[str, Any] | None = None
        self._told_unlimited = False

    @property
    def local(self) -> bool:
        """Whether it runs on this host, as far as its address tells."""
        return self._calls.local

    async def close(self) -> None:
        """End what still runs here (builds, followed logs) and close all connections."""
        await self._calls.close()

    async def facts(self) -> EngineFacts:
        """Return what the engine is; Problem "engine-unreachable"."""
        info, api = await self._calls.run("say what it is", lambda api: (api.info(), api.api_version))
        self._info = info
        return facts_of(info, api)

    # ---- images

    async def image(self, reference: str) -> Image | None:
        """Return the local image of that name or id, or None."""
        return await self._calls.run(
            "look up an image", lambda api: absent(lambda: image_of(image_details(api, reference)))
        )

    async def images(self, labels: Mapping[str, str]) -> list[Image]:
        """Return the local images that carry all these labels."""
        found = await self._calls.run("list images", lambda api: api.images(filters=label_filter(labels)))
        return [image_of(entry) for entry in found]

    async def pull(self, reference: str, say: Say, login: RegistryLogin | None = None) -> Image:
        """Fetch an image; Problem "image-not-found" or "registry-unreachable"."""
        await self._calls.alone("pull an image", partial(fetch, reference, on_loop(say), login))
        image = await self.image(reference)
        if image is None:
            raise Problem("image-not-found", f"the image {reference} was pulled and is not there")
        return image

    async def sign_in(self, login: RegistryLogin) -> None:
        """See whether a registry takes a login; Problem "registry-refused" or "registry-unreachable"."""
        await self._calls.alone("sign in at a registry", partial(try_login, login))

    async def remove_image(self, reference: str) -> None:
        """Remove a tag or an untagged id; an absent one, or one still in use, is no error."""
        await self._calls.run("remove an image", lambda api: tolerate(lambda: api.remove_image(reference), CONFLICT))

    async def tag(self, image: str, tag: str) -> None:
        """Give a local image another name; Problem "image-not-found"."""

        def work(api: Api) -> None:
            repository, _, name = tag.rpartition(":")
            try:
                api.tag(image, repository, name)
            except NotFound as error:
                raise Problem("image-not-found", f"there is no image {image} on this host") from error

        await self._calls.run("tag an image", work)

    async def build(self, order: BuildOrder, say: Say) -> str:
        """Build an image and return its id; Problem "build-failed", "build-timeout", "base-image-not-found"."""
        tell = on_loop(say)
        building = Building(order, tell)
        driver = (await self._details())["CgroupDriver"]
        try:
            async with asyncio.timeout(order.timeout.total_seconds()):
                return await self._calls.alone("build an image", partial(self._build, building, order, driver, tell))
        except TimeoutError as error:
            raise Problem(
                "build-timeout",
                f"the build took longer than {order.timeout} and was ended at {building.narrator.step or 'its start'}",
                remedy="raise build.timeout in Hostess's settings, or make the build shorter",
                tail=building.narrator.tail(),
            ) from error

    def _build(self, building: Building, order: BuildOrder, driver: str, tell: Say, api: Api, line: Line) -> str:
        if not self._calls.local:
            self._confess("the engine is on another host", tell)
            return building.run(api, line, limited=False)
        with self._limits.held(Limit(order.cpus, order.memory), driver) as excuse:
            if excuse:
                self._confess(excuse, tell)
            return building.run(api, line, limited=not excuse)

    def _confess(self, excuse: str, tell: Say) -> None:
        if not self._told_unlimited:
            self._told_unlimited = True
            tell(f"note: builds are not limited here ({excuse})")

    async def export(self, image: str, path: str, take: Callable[[Iterable[bytes]], None]) -> None:
        """Hand the folder *path* of an image to *take* as a tar stream; Problem "image-not-found", "path-not-found"."""
        await self._calls.alone("take files out of an image", partial(export, image, path, take))

    async def trim_build_cache(self, keep: int) -> int:
        """Cut the cache of builds to *keep* bytes; what a build needs right now stays. Return the bytes removed."""

        def work(api: Api, line: Line) -> int:
            # The second name is the first one's since version 1.48.
            params = {"all": "1", "keep-storage": str(keep), "reserved-space": str(keep)}
            answer = checked(line.hold(api.post(url_of(api, "/build/prune"), params=params, timeout=(10, None))))
            return int(answer.json().get("SpaceReclaimed") or 0)

        return await self._calls.alone("trim the cache of builds", work)

    # ---- networks and volumes

    async def make_network(self, name: str, subnet: str, labels: Mapping[str, str]) -> None:
        """Create a bridge network with that subnet; one of that name is no error. Problem "subnet-taken"."""

        def work(api: Api) -> None:
            # The engine gives its default network the host's MTU and all others 1500, which breaks large transfers in tunnels.
            mtu = api.inspect_network("bridge")["Options"].get(MTU)
            pools = IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)])
            options = {MTU: mtu} if mtu else None
            try:
                api.create_network(
                    name, "bridge", options=options, ipam=pools, check_duplicate=True, labels=dict(labels)
                )
            except APIError as error:
                if error.status_code == FORBIDDEN and "verlap" in reason(error):
                    raise Problem(
                        "subnet-taken", f"the subnet {subnet} is used by another network: {reason(error)}"
                    ) from error
                if error.status_code != CONFLICT:
                    raise

        await self._calls.run("create a network", work)

    async def networks(self, labels: Mapping[str, str]) -> dict[str, str]:
        """Return name -> subnet of the networks that carry all these labels."""
        found = await self._calls.run("list networks", lambda api: api.networks(filters=label_filter(labels)))
        return {entry["Name"]: (entry["IPAM"]["Config"] or [{"Subnet": ""}])[0]["Subnet"] for entry in found}

    async def remove_network(self, name: str) -> None:
        """Remove a network; an absent one is no error. Problem "engine-refused" while containers are on it."""
        await self._calls.run("remove a network", lambda api: tolerate(lambda: api.remove_network(name)))

    async def make_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Create a volume; one of that name that is there already is no error."""
        await self._calls.run("create a volume", lambda api: api.create_volume(name, labels=dict(labels)))

    async def volumes(self, labels: Mapping[str, str]) -> list[str]:
        """Return the names of the volumes that carry all these labels."""
        found = await self._calls.run("list volumes", lambda api: api.volumes(filters=label_filter(labels)))
        return [entry["Name"] for entry in found["Volumes"] or ()]

    async def remove_volume(self, name: str) -> None:
        """Remove a volume; an absent one is no error. Problem "engine-refused" while a container has it."""
        await self._calls.run("remove a volume", lambda api: tolerate(lambda: api.remove_volume(name)))

    # ---- containers

    async def create(self, spec: ContainerSpec) -> str:
        """Create a container and return its id; not started. Problem "image-not-found", "no-command", "name-taken", "owner-unknown"."""
        details = await self._details()
        body = creation(spec, details["NCPU"], details["MemTotal"])

        def work(api: Api) -> str:
            try:
                answer = checked(api.post(url_of(api, "/containers/create"), json=body, params={"name": spec.name}))
            except NotFound as error:
                raise Problem(
                    "image-not-found", f"there is no image {spec.image} on this host: {reason(error)}"
                ) from error
            except APIError as error:
                if "no command specified" in reason(error).lower():
                    raise no_command(spec) from error
                if error.status_code != CONFLICT:
                    raise
                raise Problem("name-taken", f"there is a container {spec.name} already: {reason(error)}") from error
            container = str(answer.json()["Id"])
            if spec.files:
                put_files(api, container, spec.files)
            if spec.owners:
                give_folders(api, container, spec.owners)
            return container

        return await self._calls.run("create a container", work)

    async def start(self, container: str) -> None:
        """Start a container; one that runs already is no error. Problem "container-start-failed"."""

        def work(api: Api) -> None:
            try:
                api.start(container)
            except APIError as error:
                raise Problem("container-start-failed", f"the container did not start: {reason(error)}") from error

        await self._calls.run("start a container", work)

    async def keep_running(self, container: str) -> None:
        """Let the engine restart it from now on when it ends by itself or the host boots; an absent one is no error."""

        def work(api: Api) -> None:
            policy = {"Name": "unless-stopped"}
            absent(
                lambda: checked(
                    api.post(url_of(api, f"/containers/{container}/update"), json={"RestartPolicy": policy})
                )
            )

        await self._calls.run("change a container", work)

    async def stop(self, container: str, grace: timedelta) -> None:
        """Send the stop signal, after *grace* kill; return when it has stopped. An absent or stopped one is no error."""
        seconds = int(grace.total_seconds())

        def work(api: Api, line: Line) -> None:
            url = url_of(api, f"/containers/{container}/stop")
            tolerate(lambda: checked(line.hold(api.post(url, params={"t": seconds}, timeout=PATIENCE + seconds))))

        await self._calls.alone("stop a container", work)

    async def kill(self, container: str) -> None:
        """Kill at once; an absent or stopped one is no error."""
        await self._calls.run("kill a container", lambda api: tolerate(lambda: api.kill(container), CONFLICT))

    async def remove(self, container: str) -> None:
        """Remove a container with its nameless volumes, killing it if it runs; an absent one is no error."""

        def work(api: Api) -> None:
            try:
                tolerate(lambda: api.remove_container(container, v=True, force=True))
            except APIError as error:
                if error.status_code != CONFLICT:
                    raise
                tolerate(
                    lambda: api.wait(container, timeout=int(PATIENCE), condition="removed")
                )  # somebody else is removing it

        await self._calls.run("remove a container", work)

    async def wait(self, container: str) -> int:
        """Return the exit code once it has exited; at once if it has. Problem "container-not-found"."""

        def work(api: Api, line: Line) -> int:
            url = url_of(api, f"/containers/{container}/wait")
            try:
                with line.hold(checked(api.post(url, stream=True, timeout=(10, None)))) as response:
                    return int(response.json()["StatusCode"])
            except NotFound as error:
                raise Problem("container-not-found", f"the container {container} is gone") from error

        return await self._calls.alone("wait for a container", work)

    async def container(self, container: str) -> Container | None:
        """Return one container as it is now, or None when it is gone."""
        return await self._calls.run("look up a container", partial(inspected, container))

    async def containers(self, labels: Mapping[str, str]) -> list[Container]:
        """Return all containers, stopped ones too, that carry all these labels, oldest first."""

        def work(api: Api) -> list[Container]:
            found = api.containers(all=True, filters=label_filter(labels))
            details = [absent(partial(api.inspect_container, entry["Id"])) for entry in found]
            there = [
                detail for detail in details if detail is not None
            ]  # the list tells whole seconds, the details more
            return [
                container_of(detail)
                for detail in sorted(there, key=lambda detail: instant(detail["Created"]) or engine_logs.EPOCH)
            ]

        return await self._calls.run("list containers", work)

    # ---- what is said and done inside

    async def logs(self, container: str, tail: int) -> list[LogLine]:
        """Return its last lines, at most *tail*; none when it is gone."""
        read = partial(engine_logs.last_lines, container, tail)
        return await self._calls.run("read a log", lambda api: absent(lambda: read(api)) or [])

    def follow(self, container: str, tail: int, since: datetime | None = None) -> AsyncIterator[LogLine]:
        """Yield its last *tail* lines (no older than *since*), then each new one until it ends or the iterator is closed."""
        return engine_logs.follow(self._calls, container, tail, since)

    def events(
        self, labels: Mapping[str, str], since: datetime | None = None, until: datetime | None = None
    ) -> AsyncIterator[ContainerEvent]:
        """Yield what happens to containers that carry all these labels, until the iterator is closed, or that moment."""
        return engine_events.follow(self._calls, labels, since, until)

    async def execute(
        self, container: str, command: Sequence[str], timeout: timedelta, stdin: str = ""
    ) -> tuple[int, str]:
        """Run a command inside; return exit code and the end of its output, 124 at *timeout*. Problem "container-not-running"."""
        return await self._executor.run(container, command, timeout, stdin)

    async def within(self, container: str, mark: str, work: Callable[[Shell], T]) -> T:
        """Return what *work* returns, which runs commands inside on a thread of its own."""
        return await self._executor.within(container, mark, work)

    @asynccontextmanager
    async def terminal(
        self, container: str, command: Sequence[str], mark: str, *, tty: bool
    ) -> AsyncIterator[Terminal]:
        """Give a command inside that somebody talks to; leaving ends it. Problem "container-not-running"."""
        try:
            async with engine_terminal.opened(self._calls, container, command, mark, tty=tty) as terminal:
                yield terminal
        finally:
            await asyncio.shield(self._executor.end(container, mark))

    async def end_commands(self, container: str, mark: str) -> None:
        """Kill the commands inside that carry *mark*; none, and a container that is gone, is no error."""
        await self._executor.end(container, mark)

    async def _details(self) -> dict[str, Any]:
        if self._info is None:
            await self.facts()
        assert self._info is not None  # noqa: S101 -- facts() has set it
        return self._info


def on_loop(say: Say) -> Say:
    """Return a *say* for other threads; lines keep their order."""
    loop = asyncio.get_running_loop()

    def tell(line: str) -> None:
        loop.call_soon_threadsafe(say, line)

    return tell


def inspected(container: str, api: Api) -> Container | None:
    """Return a container as it is now, None when it is gone."""
    return absent(lambda: container_of(api.inspect_container(container)))


def absent(work: Callable[[], T]) -> T | None:
    """Return what *work* returns, None when the engine has no such thing."""
    with suppress(NotFound):
        return work()
    return None


def tolerate(work: Callable[[], object], *statuses: int) -> None:
    """Do it; that the thing is absent, or the engine answers with one of *statuses*, is no error."""
    try:
        work()
    except NotFound:
        return
    except APIError as error:
        if error.status_code not in statuses:
            raise

"""How the Docker library is called: short calls on a bounded pool, long ones on threads of their own, its errors as Problems.

The library is synchronous and its sessions are not safe to share, so every thread has a client of its own. The API version is
negotiated by each client, never pinned: engines drop old versions and lack new ones.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TypeVar

import docker
import requests
from docker.errors import APIError, DockerException
from docker.types import CancellableStream
from docker.utils import kwargs_from_env
from urllib3.exceptions import HTTPError

from hostess.domain.problem import Problem

T = TypeVar("T")

Api = docker.APIClient
THREADS = 8
PATIENCE = 60.0
"""Seconds that the engine has for the answer to a short call, and for taking what is sent to it."""
ENDING = 10.0
"""Seconds that a long call has to end after its connection was cut."""


class Closable(Protocol):
    """What of the library's streams is needed here."""

    def close(self) -> None:
        """End the stream's reader, from any thread."""


class Line:
    """The connection of a long call. Whoever waits for the call can hang up from another thread; its reading ends at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stream: Closable | None = None
        self.cut = False

    def hold(self, response: requests.Response) -> requests.Response:
        """Make this the response that is cut when somebody hangs up (at once, if somebody has)."""
        with self._lock:
            self._stream = CancellableStream(iter(()), response)
            late = self.cut
        if late:
            self.hang_up()
        return response

    def hang_up(self) -> None:
        """Cut the connection; doing so twice, or after its end, is no error."""
        with self._lock:
            self.cut = True
            stream, self._stream = self._stream, None
        if stream is not None:
            with suppress(
                OSError, AttributeError, DockerException
            ):  # the library's way of saying that it has ended already
                stream.close()


class Calls:
    """Calls to the engine at *url* (None: DOCKER_HOST, else the local socket)."""

    def __init__(self, url: str | None) -> None:
        self._settings: dict[str, Any] = {**kwargs_from_env()}
        if url:
            self._settings["base_url"] = url
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="engine")
        self._here = threading.local()
        self._clients: set[Api] = set()
        self._lines: set[Line] = set()
        self._lock = threading.Lock()

    @property
    def local(self) -> bool:
        """Whether the engine runs on this host, as far as its address tells."""
        return str(self._settings.get("base_url", "unix://")).startswith(("unix:", "http+unix:", "/"))

    async def run(self, doing: str, work: Callable[[Api], T]) -> T:
        """Return what *work* returns on a thread of the pool; *doing* completes "the engine could not ..."."""

        def body() -> T:
            with told(doing):
                try:
                    return work(self._client())
                except (requests.ConnectionError, APIError) as error:
                    if is_stale(error):
                        self._forget()
                    raise

        return await asyncio.get_running_loop().run_in_executor(self._pool, body)

    async def alone(self, doing: str, work: Callable[[Api, Line], T]) -> T:
        """Return what *work* returns on a thread of its own. Cancelling cuts its line and waits for the thread's end."""
        loop = asyncio.get_running_loop()
        line, done = Line(), loop.create_future()
        done.add_done_callback(
            lambda future: future.cancelled() or future.exception()
        )  # heard, even if nobody waits any more

        def settle(outcome: T | None, error: BaseException | None) -> None:
            if done.done():
                return
            if error is None:
                done.set_result(outcome)
            else:
                done.set_exception(error)

        def body() -> None:
            outcome, error = None, None
            try:
                with told(doing), self._connect() as api:
                    outcome = work(api, line)
            except BaseException as caught:  # noqa: BLE001 -- handed on to who waits, whatever it is
                error = caught
            with suppress(RuntimeError):  # the loop is gone, and with it who waited
                loop.call_soon_threadsafe(settle, outcome, error)

        self._lines.add(line)
        threading.Thread(target=body, name=f"engine: {doing}", daemon=True).start()
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            line.hang_up()
            await asyncio.wait([done], timeout=ENDING)
            raise
        finally:
            self._lines.discard(line)

    async def close(self) -> None:
        """Cut the long calls, wait for the short ones, close all connections."""
        for line in list(self._lines):
            line.hang_up()
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)
        with self._lock:
            clients, self._clients = self._clients, set()
        for client in clients:
            client.close()

    def _connect(self) -> Api:
        return Api(**{"version": "auto", "timeout": PATIENCE, **self._settings})

    def _client(self) -> Api:
        client: Api | None = getattr(self._here, "client", None)
        if client is None:
            client = self._here.client = self._connect()
            with self._lock:
                self._clients.add(client)
        return client

    def _forget(self) -> None:
        """Drop this thread's client: the engine may come back as another version."""
        client: Api | None = getattr(self._here, "client", None)
        if client is not None:
            self._here.client = None
            with self._lock:
                self._clients.discard(client)
            client.close()


def is_stale(error: Exception) -> bool:
    """Whether the client that met this error should negotiate anew."""
    return not isinstance(error, APIError) or "client version" in str(error.explanation)


def url_of(api: Api, path: str) -> str:
    """Return the URL of *path* in the negotiated version."""
    return f"{api.base_url}/v{api.api_version}{path}"


def image_details(api: Api, reference: str) -> dict[str, Any]:
    """Return what the engine knows of a local image; the library's NotFound when there is none."""
    details: dict[str, Any] = checked(api.get(url_of(api, f"/images/{reference}/json"))).json()
    return details


def checked(response: requests.Response) -> requests.Response:
    """Return the response if it tells of success, else raise the library's error with the engine's own words."""
    try:
        response.raise_for_status()
    except requests.HTTPError as error:
        docker.errors.create_api_error_from_http_exception(error)
    return response


@contextmanager
def told(doing: str) -> Iterator[None]:
    """Turn the library's errors into Problems."""
    try:
        yield
    except APIError as error:
        raise Problem(
            "engine-refused",
            f"the container engine could not {doing}: {reason(error)}",
            remedy="look at the engine's log: journalctl -u docker",
        ) from error
    except requests.Timeout as error:
        raise unreachable(f"it did not answer within {PATIENCE:.0f} s when asked to {doing}") from error
    except (requests.RequestException, DockerException, HTTPError) as error:
        raise unreachable(innermost(error)) from error


def unreachable(cause: str) -> Problem:
    """Return the Problem of an engine that does not answer."""
    return Problem(
        "engine-unreachable",
        f"the container engine cannot be reached: {cause}",
        remedy="see whether it runs (systemctl status docker) and whether engine.url and DOCKER_HOST are right",
    )


def reason(error: APIError) -> str:
    """Return the engine's own words."""
    return str(error.explanation or error).strip().rstrip(".")


def innermost(error: BaseException) -> str:
    """Return the words of the operating system at the bottom of a chain of library errors, else those of the error."""
    found: BaseException | None = error
    while found is not None:
        system = found if isinstance(found, OSError) and found.strerror else buried(found)
        if system is not None and system.strerror:
            return system.strerror
        found = found.__cause__ or found.__context__
    return str(error)


def buried(error: BaseException) -> OSError | None:
    """Return an operating system's error among the arguments of a library's error."""
    inner = [item for arg in error.args for item in (arg, *getattr(arg, "args", ())) if isinstance(item, OSError)]
    return next((item for item in inner if item.strerror), None)

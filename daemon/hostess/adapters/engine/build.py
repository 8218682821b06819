"""One build: the context streamed to the engine's BuildKit, its answer told line by line.

`POST /build?version=2` is BuildKit on every engine from 18.09 on; the library has no switch for it. The context comes with the
request, and a session is held only for a build that reads secrets. The connection is the build's life: when it is cut the engine ends
the build and kills the step that runs.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import requests

from hostess.adapters.engine.build_failure import Failure, explain
from hostess.adapters.engine.build_session import session
from hostess.adapters.engine.build_trace import Narrator, decode
from hostess.adapters.engine.calls import PATIENCE, Api, Line, checked, url_of
from hostess.domain.ports import BuildOrder
from hostess.domain.problem import Problem


class HungUpError(Exception):
    """Nobody waits for this build any more."""


class Building:
    """A build and what it has told so far. *limited*: whether a memory limit holds."""

    def __init__(self, order: BuildOrder, tell: Callable[[str], None]) -> None:
        self._order = order
        self._tell = tell
        self._limited = False
        self.narrator = Narrator()

    def run(self, api: Api, line: Line, *, limited: bool) -> str:
        """Build, and return the image's id; blocking. Problem "build-failed" or "base-image-not-found"."""
        self._limited = limited
        with ExitStack() as held:
            handed = self._handed(held, api)
            response = api.post(
                url_of(api, "/build"),
                params={**self._parameters(), **handed},
                data=self._context(line),
                headers={"Content-Type": "application/x-tar"},
                stream=True,
                timeout=(PATIENCE, None),
            )
            held.enter_context(line.hold(checked(response)))
            image = self._listen(messages(response))
        if not image:  # the tag may still be that of an older build: it proves nothing
            raise self._failure("the engine ended the build without an image and without a reason")
        return image

    def _handed(self, held: ExitStack, api: Api) -> dict[str, str]:
        """Return what the request says of secrets, whose session ends with *held*."""
        secrets = self._order.secrets
        if secrets is None:
            return {}
        # The cache asks for a secret's id and not for its value, so another owner's build of the same lines would be given what
        # was made with these values, also while both run. A host of the steps is part of what the cache knows them by.
        owner = hashlib.sha256(secrets.owner.encode()).hexdigest()[:20]
        return {
            "session": held.enter_context(session(api, secrets.values)),
            "extrahosts": f"{owner}.hostess.invalid:127.0.0.1",
        }

    def _parameters(self) -> dict[str, str]:
        order = self._order
        return {
            "version": "2",
            "t": order.tag,
            "dockerfile": order.dockerfile,
            "buildargs": json.dumps(dict(order.args)),
            "labels": json.dumps(dict(order.labels)),
            "rm": "1",
            "forcerm": "1",
            **({"nocache": "1"} if order.no_cache else {}),
        }

    def _context(self, line: Line) -> Iterator[bytes]:
        for chunk in self._order.context():
            if line.cut:
                raise HungUpError
            if chunk:  # an empty chunk would end the upload
                yield chunk

    def _listen(self, heard: Iterable[dict[str, Any]]) -> str:
        image = ""
        for message in heard:
            match message:
                case {"id": "moby.buildkit.trace", "aux": str(encoded)}:
                    for told in self._hear(encoded):
                        self._tell(told)
                case {"aux": {"ID": str(identity)}}:
                    image = identity
                case {"errorDetail": {"message": str(reason)}} | {"error": str(reason)}:
                    raise self._failure(reason)
        return image

    def _hear(self, encoded: str) -> list[str]:
        try:
            return self.narrator.hear(decode(base64.b64decode(encoded)))
        except (ValueError, binascii.Error):
            return []  # told badly is no reason to fail; the outcome comes in plain JSON

    def _failure(self, reason: str) -> Problem:
        return explain(
            Failure(
                message=reason,
                step=self.narrator.step if self.narrator.failed else "",
                tail=self.narrator.tail(),
                dockerfile=self._order.dockerfile,
                memory=self._order.memory if self._limited else 0,
            )
        )


def messages(response: requests.Response) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of an answer as they come."""
    for raw in response.iter_lines(chunk_size=None):
        if raw:
            yield json.loads(raw)

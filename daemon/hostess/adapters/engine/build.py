"""One build: the context streamed to the engine's BuildKit, its answer told line by line.

`POST /build?version=2` without a session is BuildKit on every engine from 18.09 on; the library has no switch for it. The
connection is the build's life: when it is cut the engine ends the build and kills the step that runs.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import requests

from hostess.adapters.engine.build_failure import Failure, explain
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
        response = api.post(
            url_of(api, "/build"),
            params=self._parameters(),
            data=self._context(line),
            headers={"Content-Type": "application/x-tar"},
            stream=True,
            timeout=(PATIENCE, None),
        )
        with line.hold(checked(response)):
            image = self._listen(messages(response))
        if not image:  # the tag may still be that of an older build: it proves nothing
            raise self._failure("the engine ended the build without an image and without a reason")
        return image

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

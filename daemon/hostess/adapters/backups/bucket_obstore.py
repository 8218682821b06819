"""An S3-compatible bucket: objects are streamed in and out in pieces, and are there whole or not at all."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from hostess.domain.problem import Problem
from hostess.domain.settings import S3Settings

PIECE = 8 * 1024 * 1024
AT_ONCE = 3
TIMEOUT = "5 minutes"
"""For one piece: an upload over a slow line takes long."""
RETRIES = 3
PATIENCE = timedelta(minutes=2)
LONGEST = 300
_ANSWER = re.compile(r"<Code>([^<]*)</Code>\s*<Message>([^<]*)</Message>")
_STATUS = re.compile(r"status code: (\d{3}[^:<]*)")
_MEANING = {
    "403": "it refuses these keys, or what they are for",
    "NoSuchBucket": "there is no such bucket",
}


class Bucket:
    """The bucket of the settings. Problem "backup-bucket-failed" when it cannot be reached or refuses."""

    def __init__(self, settings: S3Settings) -> None:
        self._name = settings.bucket
        self._store = S3Store(
            settings.bucket,
            prefix=settings.prefix or None,
            endpoint=settings.endpoint or None,
            region=settings.region or "us-east-1",
            access_key_id=settings.access_key_id,
            secret_access_key=settings.secret_access_key,
            virtual_hosted_style_request=False,
            client_options={"timeout": TIMEOUT, "allow_http": settings.endpoint.startswith("http://")},
            retry_config={"max_retries": RETRIES, "retry_timeout": PATIENCE},
        )

    def put(self, path: str, pieces: Iterable[bytes]) -> None:
        """Write an object; whatever *pieces* raises, there is none then, and no part of an upload is left."""
        with self._told("written to", path):
            obstore.put(self._store, path, iter(pieces), use_multipart=True, chunk_size=PIECE, max_concurrency=AT_ONCE)

    def pieces(self, path: str) -> Iterator[bytes]:
        """Yield an object as it is. Problem "backup-gone".

        Each piece is a request of its own: the library's timeout is for all of an answer, however slowly a restore takes it.
        """
        with self._told("read from", path):
            size = obstore.head(self._store, path)["size"]
            for start in range(0, size, PIECE):
                yield bytes(obstore.get_range(self._store, path, start=start, end=min(start + PIECE, size)))

    def listed(self, folder: str) -> list[str]:
        """Return the paths of the objects in a folder, and in those within."""
        with self._told("read from", folder):
            return [each["path"] for page in obstore.list(self._store, f"{folder}/") for each in page]

    def remove(self, path: str) -> None:
        """Remove an object; an absent one is no error."""
        self._unless_absent(path, lambda: obstore.delete(self._store, path))

    def _unless_absent(self, path: str, work: Callable[[], object]) -> None:
        with self._told("removed from", path):
            try:
                work()
            except (NotFoundError, FileNotFoundError):
                return

    @contextmanager
    def _told(self, doing: str, path: str) -> Iterator[None]:
        """Turn the library's errors into Problems."""
        try:
            yield
        except (NotFoundError, FileNotFoundError) as error:
            if doing.startswith("read"):
                raise Problem("backup-gone", f"{path} is not in the bucket {self._name} any more") from error
            raise self._failed(doing, path, error) from error
        except (BaseError, PermissionError) as error:
            raise self._failed(doing, path, error) from error

    def _failed(self, doing: str, path: str, error: Exception) -> Problem:
        return Problem(
            "backup-bucket-failed",
            f"the backup {path} could not be {doing} the bucket {self._name}: {_reason(error)}",
            serving="the service itself, and the backups that are there",
            remedy="look at backups.s3.* (endpoint, bucket, keys), and whether the host reaches it",
        )


def _reason(error: Exception) -> str:
    """Return what the store has answered, or what the library says in its first line when there was no answer."""
    text = str(error).strip()
    status, answer = _STATUS.search(text), _ANSWER.search(text)
    if status is None:
        return (text.splitlines() or [type(error).__name__])[0][:LONGEST]
    said = f"{answer[1]}: {answer[2]}" if answer else status[1].strip()
    meaning = _MEANING.get(answer[1] if answer else "") or _MEANING.get(status[1][:3])
    return f"{meaning} ({said[:LONGEST]})" if meaning else said[:LONGEST]

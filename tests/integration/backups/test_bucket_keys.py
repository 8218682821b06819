"""Keys of a bucket: a store that checks them (signature and rights) refuses wrong ones, and that is told without the key."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from hostess.adapters.backups.bucket_obstore import Bucket
from hostess.domain.problem import Problem
from hostess.domain.settings import S3Settings
from tests.bucket import Server

READS = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}


@dataclass(frozen=True)
class Keys:
    """Somebody's keys at a store."""

    endpoint: str
    id: str
    secret: str

    def bucket(self, secret: str = "") -> Bucket:
        """Return the bucket for whoever has them, or another *secret*."""
        return Bucket(
            S3Settings(
                endpoint=self.endpoint, bucket="safe", access_key_id=self.id, secret_access_key=secret or self.secret
            )
        )


@pytest.fixture(scope="module")
def store() -> Iterator[dict[str, Keys]]:
    """Give a store with a bucket, and the keys of one who may all and of one who may only read."""
    server = Server()
    server.make_bucket()
    made = {"writer": Keys(server.url, *server.user()), "reader": Keys(server.url, *server.user(READS))}
    server.strict("0")
    try:
        yield made
    finally:
        server.strict("inf")
        server.line.close()
        server.stop()


def test_the_right_key(store: dict[str, Keys]) -> None:
    """Who has the right keys writes, reads back and removes."""
    bucket = store["writer"].bucket()
    bucket.put("a", [b"content"])

    assert b"".join(bucket.pieces("a")) == b"content"
    bucket.remove("a")
    with pytest.raises(Problem, match="not in the bucket safe any more"):
        b"".join(bucket.pieces("a"))


@pytest.mark.parametrize(("user", "secret"), [("writer", "not-the-secret-of-it"), ("reader", "")])
def test_a_wrong_key(store: dict[str, Keys], user: str, secret: str) -> None:
    """With a wrong secret, or keys that may not write, nothing is written: the store's words are told, and no part of the secret."""
    bucket = store[user].bucket(secret)
    with pytest.raises(Problem, match="could not be written to the bucket safe") as raised:
        bucket.put("b", [b"content"])

    assert raised.value.code == "backup-bucket-failed"
    assert "keys" in raised.value.remedy
    assert (secret or store[user].secret) not in str(raised.value)
    with pytest.raises(Problem):
        b"".join(store["writer"].bucket().pieces("b"))

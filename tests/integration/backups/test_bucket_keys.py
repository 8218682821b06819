"""Keys of a bucket: a store that checks them (signature and rights) refuses wrong ones, and that is told without the key."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

import boto3  # type: ignore[import-untyped]  # what the look-alike is made of
import pytest
from moto.server import ThreadedMotoServer

from hostess.adapters.backups.bucket_obstore import Bucket
from hostess.domain.problem import Problem
from hostess.domain.settings import S3Settings

BUCKET = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
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


def strict(endpoint: str, after: str) -> None:
    """Let the store check who asks, from so many requests on."""
    plain = {"Content-Type": "text/plain"}
    urlopen(Request(f"{endpoint}/moto-api/reset-auth", after.encode(), plain, method="POST")).close()


@pytest.fixture(scope="module")
def store() -> Iterator[dict[str, Keys]]:
    """Give a store with a bucket, and the keys of one who may all and of one who may only read."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    urlopen(Request(f"{endpoint}/safe", method="PUT")).close()
    made = {name: _user(endpoint, name, rights) for name, rights in (("writer", BUCKET), ("reader", READS))}
    strict(endpoint, "0")
    try:
        yield made
    finally:
        strict(endpoint, "inf")
        server.stop()


def _user(endpoint: str, name: str, rights: object) -> Keys:
    given = {
        "endpoint_url": endpoint,
        "region_name": "us-east-1",
        "aws_access_key_id": "x",
        "aws_secret_access_key": "x",
    }
    iam: Any = boto3.client("iam", **given)
    iam.create_user(UserName=name)
    policy = json.dumps({"Version": "2012-10-17", "Statement": [rights]})
    iam.put_user_policy(UserName=name, PolicyName="rights", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Keys(endpoint, key["AccessKeyId"], key["SecretAccessKey"])


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

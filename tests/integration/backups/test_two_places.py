"""Artefacts in a folder and a bucket: whichever place has what was written is enough, and the folder is mended from the bucket."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from moto.server import ThreadedMotoServer

from hostess.adapters.backups.artefacts_both import BothArtefacts
from hostess.adapters.backups.artefacts_folder import FolderArtefacts
from hostess.adapters.backups.bucket_obstore import PIECE, Bucket
from hostess.adapters.backups.encryption_age import Seal
from hostess.domain.backups.backup import BUCKET, FOLDER
from hostess.domain.problem import Problem
from hostess.domain.settings import S3Settings

PATH = "shop/production/db/db-1.tar.zst"


class Places:
    """The two places, and what is written there."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        self.file = folder / PATH
        self.bucket = Bucket(S3Settings(endpoint=endpoint, bucket="safe", access_key_id="a", secret_access_key="b"))
        self.both = BothArtefacts(FolderArtefacts(folder), self.bucket, Seal())

    def written(self, missing: str = "") -> str:
        """Write an artefact, and return its checksum."""
        return self.both.write(PATH, [("db.dump", iter([b"content"]))], missing).checksum

    def read(self) -> bytes:
        """Return what the artefact holds."""
        [(_, pieces)] = [(name, b"".join(pieces)) for name, pieces in self.both.parts(PATH)]
        return pieces

    def rot_there(self) -> None:
        """Let the bucket have something else."""
        self.bucket.put(PATH, [b"rotten"])


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Give a store with a bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    urlopen(Request(f"http://{host}:{port}/safe", method="PUT")).close()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def places(tmp_path: Path, endpoint: str) -> Places:
    """Give both."""
    return Places(tmp_path, endpoint)


def test_the_bucket_is_not_asked_for_what_is_here(tmp_path: Path, places: Places) -> None:
    """What is sound in the folder can be restored while the bucket has something else, or cannot be reached."""
    checksum = places.written()
    places.rot_there()
    places.both.sound(PATH, checksum)

    away = Places(tmp_path, "http://127.0.0.1:9")
    away.both.sound(PATH, checksum)
    assert away.read() == b"content"


def test_the_folder_is_mended(places: Places) -> None:
    """What has rotted in the folder is fetched from the bucket; what is gone there is read from the bucket."""
    checksum = places.written()
    places.file.write_bytes(b"rotten")
    places.both.sound(PATH, checksum)
    assert hashlib.sha256(places.file.read_bytes()).hexdigest() == checksum

    places.file.unlink()
    places.both.sound(PATH, checksum)
    assert places.read() == b"content"


def test_neither_has_it(places: Places) -> None:
    """What has rotted in both places is damaged, and so is what has rotted in the only one."""
    checksum = places.written()
    places.file.write_bytes(b"rotten")
    with pytest.raises(Problem, match="is damaged"):
        places.both.sound(PATH, checksum, BUCKET)
    places.rot_there()
    with pytest.raises(Problem, match="is damaged") as raised:
        places.both.sound(PATH, checksum)

    assert raised.value.code == "backup-damaged"
    assert places.file.read_bytes() == b"rotten"


def test_what_was_left_here_is_not_read(places: Places) -> None:
    """Of a backup that is in the bucket alone nothing is read that an attempt has left in the folder."""
    checksum = places.written(FOLDER)
    places.file.parent.mkdir(parents=True)
    places.file.write_bytes(b"of another dump")
    places.both.sound(PATH, checksum, FOLDER)

    assert places.read() == b"content"
    assert not places.file.exists()


def test_a_copy_that_differs_does_not_stay(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the bucket has taken in another form is not left there as if it were a copy."""
    places.written(BUCKET)
    places.both.put_manifest(PATH, "{}", BUCKET)
    put = places.bucket.put
    monkeypatch.setattr(places.bucket, "put", lambda path, pieces: put(path, [*pieces, b"more"]))
    with pytest.raises(Problem, match="in the bucket is damaged"):
        places.both.copy(PATH, BUCKET)

    with pytest.raises(Problem, match="not in the bucket"):
        b"".join(places.bucket.pieces(PATH))


def test_large_objects_come_in_pieces(places: Places) -> None:
    """An object is read in requests of one piece each, however long that takes in all; an empty one has none."""
    content = bytes(range(256)) * (2 * PIECE // 256) + b"end"
    places.bucket.put("large", [content])
    places.bucket.put("empty", [])

    assert [len(piece) for piece in places.bucket.pieces("large")] == [PIECE, PIECE, 3]
    assert b"".join(places.bucket.pieces("large")) == content
    assert list(places.bucket.pieces("empty")) == []

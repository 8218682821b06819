"""Artefacts in a local folder and in a bucket: in both, or whole in the one of them that could be written to."""

import hashlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress

from hostess.adapters.backups.artefacts_folder import MANIFEST, FolderArtefacts, Packed, manifest_text, unpacked
from hostess.adapters.backups.bucket_obstore import Bucket
from hostess.adapters.backups.encryption_age import Seal
from hostess.domain.backups.backup import BUCKET, FOLDER, SUFFIX, Written, damaged
from hostess.domain.ports import Artefacts
from hostess.domain.problem import Problem
from hostess.domain.settings import BackupsSettings

GONE = "backup-gone"


class BothArtefacts:
    """Implements `ports.Artefacts`. What was lost here is read from there."""

    def __init__(self, here: FolderArtefacts, there: Bucket, seal: Seal) -> None:
        self._here = here
        self._there = there
        self._seal = seal

    @property
    def encryption(self) -> str:
        """How artefacts are encrypted."""
        return self._seal.name

    @property
    def twofold(self) -> bool:
        """Yes."""
        return True

    def write(self, path: str, parts: Iterable[tuple[str, Iterator[bytes]]], missing: str = "") -> Written:
        """Write an artefact here, then there, each read back; no dump has to wait for a slow line."""
        if missing == FOLDER:
            packed = Packed(parts, self._seal)
            self._there.put(path, packed)
            return packed.written
        written = self._here.write(path, parts)
        if missing != BUCKET:
            try:
                self._sent(path, written.checksum)
            except BaseException:
                self._here.remove(path)
                raise
        return written

    def copy(self, path: str, missing: str) -> None:
        """Copy artefact and manifest here or there; the manifest comes last. Problem "backup-damaged" for a copy that differs."""
        if missing == BUCKET:
            try:
                self._sent(path, self._here.checksum(path))
            except Problem:
                with suppress(Problem):  # what is told is why it is not there
                    self._there.remove(path)
                raise
            self._there.put(path + MANIFEST, [self._here.manifest(path).encode()])
            return
        self._here.put(path, self._there.pieces(path))
        try:
            self._compare(path, self._here.checksum(path))
        except Problem:
            self._here.remove(path)
            raise
        self._here.put_manifest(path, self.manifest(path))

    def checksum(self, path: str, missing: str = "") -> str:
        """Return the checksum of what is here (there, if it is lost here). Problem "backup-damaged" when the two differ."""
        if missing == FOLDER:
            return _digest(self._there.pieces(path))
        try:
            found = self._here.checksum(path)
        except Problem as problem:
            if problem.code != GONE or missing:
                raise
            return _digest(self._there.pieces(path))
        if missing != BUCKET:
            self._compare(path, found)
        return found

    def sound(self, path: str, checksum: str, missing: str = "") -> None:
        """See to it that what `parts` reads is what was written. What is sound here is asked of nobody else."""
        try:
            found = self._here.checksum(path)
        except Problem as problem:
            if problem.code != GONE or missing == BUCKET:
                raise
            found = ""
        if found == checksum:
            return
        if missing == BUCKET or (there := _digest(self._there.pieces(path))) != checksum:
            raise damaged(path, found if missing == BUCKET else f"{found or 'gone'} here and {there} there", checksum)
        if missing == FOLDER and found:  # what was left of writing it here
            self._here.remove(path)
        elif found:
            self._here.put(path, self._there.pieces(path))
            self._here.sound(path, checksum)

    def pieces(self, path: str) -> Generator[bytes]:
        """Yield an artefact as it is."""
        yield from self._here.pieces(path) if self._here.has(path) else self._there.pieces(path)

    def parts(self, path: str) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield the parts of an artefact."""
        return unpacked(path, self._seal.opened(path, self.pieces(path)))

    def put_manifest(self, path: str, text: str, missing: str = "") -> None:
        """Write the manifest there, then here."""
        if missing != BUCKET:
            self._there.put(path + MANIFEST, [text.encode()])
        if missing != FOLDER:
            self._here.put_manifest(path, text)

    def listed(self, folder: str) -> dict[str, str]:
        """Return the artefacts in a folder that have a manifest, here or there."""
        here = self._here.listed(folder)
        there = {
            path.removesuffix(MANIFEST)
            for path in self._there.listed(folder)
            if path.endswith(SUFFIX + MANIFEST) and path.rpartition("/")[0] == folder
        }
        both = {path: "" if path in there else BUCKET for path in here}
        return dict.fromkeys(there, FOLDER) | both

    def manifest(self, path: str) -> str:
        """Return the manifest."""
        if self._here.has(path + MANIFEST):
            return self._here.manifest(path)
        return manifest_text(path, self._there.pieces(path + MANIFEST))

    def remove(self, path: str) -> None:
        """Remove an artefact and its manifest from both."""
        self._here.remove(path)
        self._there.remove(path + MANIFEST)
        self._there.remove(path)

    def _sent(self, path: str, checksum: str) -> None:
        self._there.put(path, self._here.pieces(path))
        self._compare(path, checksum)

    def _compare(self, path: str, checksum: str) -> None:
        found = _digest(self._there.pieces(path))
        if found != checksum:
            raise Problem(
                "backup-damaged",
                f"{path} in the bucket is damaged: its SHA-256 is {found}, and that of the local one {checksum}",
                remedy="make a new backup, then delete this one",
            )


def artefacts_of(settings: BackupsSettings) -> Artefacts:
    """Return where artefacts are kept: in the folder, and in the bucket, if there is one."""
    seal = Seal(settings.encrypt_to, settings.identity_file)
    folder = FolderArtefacts(settings.dir, seal)
    return BothArtefacts(folder, Bucket(settings.s3), seal) if settings.s3.bucket else folder


def _digest(pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()

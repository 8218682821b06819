"""What a bundle of the whole host may hold, which ones stay, and what a service is restored from."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hostess.domain.backups.backup import HOST, Backup, Proof, superfluous
from hostess.domain.host_bundle import (
    BundleManifest,
    Content,
    HostBackup,
    check_contents,
    check_name,
    restorable,
)
from hostess.domain.host_bundle import superfluous as superfluous_bundles
from hostess.domain.problem import Problem

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
CONTENTS = (Content("hostess.db", 3, "a"), Content("key", 32, "b"))
MANIFEST = BundleManifest("20260301-000000-abcdef", "0.2.0", "0123456789ab", NOW, ("shop",), (), CONTENTS)


def bundle(hours: int, state: str = "ok") -> HostBackup:
    """Return one that is so old."""
    return HostBackup(f"b{hours}", "scheduled", NOW - hours * HOUR, state)


def backup(hours: int, state: str = "ok", *, trigger: str = "manual", problem: str | None = None) -> Backup:
    """Return a backup of a service that is so old, proven or not."""
    proof = None if problem is None else Proof(NOW, 1.0, problem)
    return Backup(f"s{hours}", "shop", "production", "db", trigger, NOW - hours * HOUR, state, proof=proof)


@pytest.mark.parametrize(
    "name",
    [
        "hostess.db",
        "manifest.json",
        "certs.tar",
        "repos/my-shop.bundle",
        f"sites/{'0a' * 32}.tar",
        "backups/shop/production/db/db-20260101-000000-abcdef.tar.zst",
        "backups/shop/production/db/db-20260101-000000-abcdef.tar.zst.json",
    ],
)
def test_what_belongs_to_a_bundle(name: str) -> None:
    """Every name that is written may be read."""
    check_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "../hostess.db",
        "/etc/cron.d/x",
        "repos/../key.bundle",
        "repos/a/b.bundle",
        "sites/x.tar",
        "backups/../../../etc/passwd",
        "backups/shop/production/../key",
        "backups/a",
        "hostess.db\n",
        "",
    ],
)
def test_what_belongs_to_none(name: str) -> None:
    """Whoever knows a public key can write a bundle: no name of theirs leads anywhere else."""
    with pytest.raises(Problem, match="belongs to no bundle"):
        check_name(name)


@pytest.mark.parametrize(
    ("manifest", "found", "code"),
    [
        (MANIFEST, CONTENTS[:1], "bundle-damaged"),
        (MANIFEST, (*CONTENTS, Content("owner-token", 1, "c")), "bundle-damaged"),
        (MANIFEST, (CONTENTS[0], Content("key", 32, "x")), "bundle-damaged"),
        (replace(MANIFEST, contents=CONTENTS[:1]), CONTENTS[:1], "bundle-damaged"),
        (replace(MANIFEST, format=2), CONTENTS, "bundle-newer"),
    ],
)
def test_a_bundle_is_what_its_manifest_tells(manifest: BundleManifest, found: tuple[Content, ...], code: str) -> None:
    """A file too few, too many or other than told, no key, or a form of a later version: refused."""
    check_contents(MANIFEST, CONTENTS)
    with pytest.raises(Problem) as caught:
        check_contents(manifest, found)

    assert caught.value.code == code


def test_which_bundles_stay() -> None:
    """The newest good ones, and in any case the newest that is complete; those that failed are no matter of this."""
    bundles = [
        bundle(1, "partial"),
        bundle(2, "failed"),
        bundle(3, "partial"),
        bundle(4),
        bundle(5),
        bundle(6, "running"),
    ]

    assert {each.id for each in superfluous_bundles(bundles, 2, NOW)} == {"b5"}
    assert {each.id for each in superfluous_bundles(bundles, 1, NOW)} == {"b3", "b5"}
    assert superfluous_bundles(bundles, 4, NOW) == []


def test_what_a_service_is_restored_from() -> None:
    """The newest good one of before the bundle; one whose drill failed comes last, and one that is younger never."""
    backups = [backup(0), backup(1, "failed"), backup(2, problem="rotten"), backup(3, "partial"), backup(4, problem="")]

    assert [each.id for each in restorable(backups, NOW - HOUR)] == ["s3", "s4", "s2"]


def test_retention_of_a_service_leaves_those_of_the_host_alone() -> None:
    """They neither go by its count, nor push others out."""
    backups = [backup(1, trigger=HOST), backup(2), backup(3, trigger=HOST), backup(4), backup(5)]

    assert [each.id for each in superfluous(backups, 2, NOW)] == ["s5"]

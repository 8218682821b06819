"""Backups that are encrypted: taken, proved and restored by a host with the identity, and by the standard tools alone."""

import json
import subprocess
from pathlib import Path

from tests.system.host import a_host, a_repository, docker, until
from tests.system.sources import only, pushed

STACK = """version: "1.0"
services:
  cache: {type: redis, resources: small, special: {version: 7}}
"""
WORD = "a-word-that-nobody-reads"


def test_an_encrypted_backup(tmp_path: Path) -> None:
    """It is proved and restored with the identity, read by age alone, and without the identity a drill says that it cannot be done."""
    key = tmp_path / "key"
    subprocess.run(["age-keygen", "-o", str(key)], check=True, capture_output=True)
    shown = subprocess.run(["age-keygen", "-y", str(key)], check=True, capture_output=True, text=True)
    settings = {"HOSTESS_BACKUPS__ENCRYPT_TO": shown.stdout.strip(), "HOSTESS_BACKUPS__IDENTITY_FILE": str(key)}
    with a_host(tmp_path / "host", settings) as host:
        pushed(a_repository(host, "shop", {"hostess.yml": STACK}))

        def proof(backup: str) -> str | None:
            found = json.loads(host.hostess("backups", "list", "-p", "shop", "-o", "json").stdout)["items"]
            [proof] = [each["proof"] for each in found if each["id"] == backup]
            return None if proof is None else str(proof["problem"])

        def made() -> dict[str, str]:
            done = host.hostess("backups", "create", "cache", "-p", "shop", "-o", "json")
            assert done.returncode == 0, done.stderr + host.log()
            made: dict[str, str] = json.loads(done.stdout)
            until(lambda: proof(made["id"]) is not None, 60, "the drill")
            return made

        docker("exec", only(host, "shop", "cache"), "redis-cli", "SET", "word", WORD)
        backup = made()
        file = host.data / "backups" / "shop" / "production" / "cache" / backup["file"]
        assert proof(backup["id"]) == ""
        assert json.loads(file.with_name(f"{file.name}.json").read_text())["encryption"] == "age"
        piped = f"age -d -i {key} {file} | zstd -dc | tar -xO --wildcards 'dump.rdb.*'"
        assert WORD.encode() in subprocess.run(piped, shell=True, capture_output=True, check=True).stdout

        docker("exec", only(host, "shop", "cache"), "redis-cli", "SET", "word", "lost")
        done = host.hostess("backups", "restore", "cache", backup["id"], "-p", "shop", "--force")
        assert done.returncode == 0, done.stderr
        assert docker("exec", only(host, "shop", "cache"), "redis-cli", "GET", "word") == f"{WORD}\n"

        key.rename(tmp_path / "elsewhere")
        assert "can be neither proved nor restored here" in str(proof(made()["id"]))
        assert "AGE-SECRET-KEY" not in host.log()

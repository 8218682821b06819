"""What is streamed into services out of a backup, and compared with its manifest. All of it blocks, as `Shell` does."""

from collections.abc import Iterable, Iterator

from hostess.domain.backups import drills, files_backup, postgres_backup, postgres_restore, redis_backup
from hostess.domain.backups.backup import Dumped, Files, Heard, Manifest
from hostess.domain.ports import Artefacts, Shell
from hostess.domain.problem import Problem
from hostess.services.backups.dumps import lines

MOST_TEXT = 16 * 1024 * 1024


def load_postgres(
    shell: Shell, artefacts: Artefacts, path: str, manifest: Manifest, *, fresh: bool = False
) -> list[str]:
    """Load each database of a backup beside the live ones; return their names. Problem "restore-check-failed" and more.

    Who may connect, and what is set, stays as it is now in the live ones; in those that there are none of, and in a *fresh* server,
    it is as it was.
    """
    wanted = {each.name: each for each in postgres_restore.restored(manifest.databases)}
    sizes = {part.name: part.size for part in manifest.parts}
    live = postgres_backup.databases(lines(shell, postgres_backup.DATABASES), Heard())
    kept = {} if fresh else {each.name: settings for each, settings in live.items()}
    loaded: list[str] = []
    for part, pieces in artefacts.parts(path):
        if part == postgres_backup.GLOBALS:
            _roles(shell, pieces)
            continue
        name = postgres_backup.database_of(part)
        if name in wanted and part == postgres_backup.settings_part_of(name):
            kept.setdefault(name, _text(pieces))
        elif name in wanted:
            owners = lines(shell, postgres_restore.ROLES)
            lines(shell, postgres_restore.ADMIN, stdin=postgres_restore.create(wanted[name], owners))
            shell.feed(postgres_restore.load(name), pieces, sizes[part], postgres_restore.LOADING)
            _check(shell, wanted[name])
            lines(shell, postgres_restore.ADMIN, stdin=postgres_restore.settle(name, kept.get(name, "")))
            loaded.append(name)
    absent = sorted(wanted.keys() - set(loaded))
    if absent:
        raise Problem("restore-check-failed", f"the artefact has no {', '.join(absent)}, which its manifest names")
    return loaded


def prove_postgres(shell: Shell, databases: Iterable[str], own: str, statements: Iterable[str]) -> None:
    """Check all indexes of *databases*, where the image can, and run *statements* in *own*. Problem "drill-failed"."""
    for name in databases:
        try:
            lines(shell, postgres_backup.DUMP, postgres_backup.environment(name), drills.AMCHECK)
        except Problem as problem:
            raise Problem("drill-failed", f"an index is damaged: {problem}") from problem
    for statement in statements:
        try:
            said = _answer(shell, own, f"{drills.LIMITS}\n{statement}\n;\n")
        except Problem as problem:
            raise Problem("drill-failed", f"`{statement}` failed: {problem}") from problem
        if said in {"", "f"}:
            raise Problem("drill-failed", f"`{statement}` says {'false' if said else 'nothing'}")


def _answer(shell: Shell, database: str, script: str) -> str:
    said = bytearray()
    for piece in shell.output(postgres_backup.DUMP, env=postgres_backup.environment(database), stdin=script):
        said += piece
        if len(said) > drills.LONGEST_ANSWER:
            raise Problem("command-failed", f"it answers with more than {drills.LONGEST_ANSWER // 1024} KB")
    return said.decode(errors="replace").strip()


def load_redis(shell: Shell, artefacts: Artefacts, path: str, manifest: Manifest) -> None:
    """Put the snapshot of a backup where a server that is started next reads it."""
    sizes = {part.name: part.size for part in manifest.parts}
    for part, pieces in artefacts.parts(path):
        if part == redis_backup.PART:
            shell.feed(redis_backup.TAKE, pieces, sizes[part])
            return
    raise Problem("restore-check-failed", f"the artefact has no {redis_backup.PART}")


def unpack_files(shell: Shell, artefacts: Artefacts, path: str) -> None:
    """Put what a backup holds of /backup there again, and nothing else. Problem "restore-check-failed"."""
    lines(shell, files_backup.EMPTY, user=files_backup.ROOT)
    for part, pieces in artefacts.parts(path):
        if files_backup.directory_of(part) == files_backup.DIRECTORY:
            shell.unpack("/", pieces)
            return
    raise Problem("restore-check-failed", f"the artefact has nothing of {files_backup.DIRECTORY}")


def check_files(artefacts: Artefacts, path: str, manifest: Manifest) -> None:
    """Read all files of a backup, and compare them with its manifest. Problem "restore-check-failed"."""
    found = []
    for part, pieces in artefacts.parts(path):
        walk = files_backup.Walk()
        for piece in pieces:
            walk.feed(piece)
        found.append(Files(files_backup.directory_of(part), walk.count, walk.size))
    if wrong := files_backup.differences(manifest.files, found):
        raise Problem("restore-check-failed", f"the artefact is not what its manifest tells: {wrong[0]}")


def check_redis(shell: Shell) -> int:
    """Return how many keys were loaded. Problem "restore-check-failed" when they are not those of the snapshot."""
    checked = "\n".join(lines(shell, redis_backup.CHECK))
    info = redis_backup.fields("\n".join(lines(shell, redis_backup.INFO)))
    read, loaded = redis_backup.keys_read(checked), redis_backup.keys_loaded(info)
    if read != loaded:
        raise Problem("restore-check-failed", f"of {read} keys in the snapshot {loaded} were loaded")
    return loaded


def _text(pieces: Iterator[bytes]) -> str:
    text = bytearray()
    for piece in pieces:
        text += piece
        if len(text) > MOST_TEXT:
            raise Problem(
                "restore-check-failed", "it has roles or settings that are more than any that Hostess has written"
            )
    return text.decode()


def _roles(shell: Shell, pieces: Iterator[bytes]) -> None:
    script = postgres_restore.missing_roles(_text(pieces), lines(shell, postgres_restore.ROLES)).encode()
    if script:
        shell.feed(postgres_restore.ADMIN, [script], len(script))


def _check(shell: Shell, database: Dumped) -> None:
    env = postgres_backup.environment(postgres_restore.new_name(database.name))
    counted = postgres_backup.counted(lines(shell, postgres_backup.DUMP, env, f"{postgres_backup.COUNT}\n"))
    wrong = postgres_restore.differences(database.tables, counted)
    if wrong:
        raise Problem(
            "restore-check-failed",
            f"{database.name} was loaded, and is not what was dumped: {wrong[0]}{' and more' if wrong[1:] else ''}",
        )

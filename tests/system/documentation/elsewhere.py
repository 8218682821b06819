"""Commands of the pages that other tests execute, and those few that nobody executes, with the reason."""

from dataclasses import dataclass


@dataclass(frozen=True)
class By:
    """A test (*file*::*name*) that executes a command, and *words* of the source that show it.

    The words are the command's own, or those that read it from its page. They are in the test's file, or in *helper*.
    """

    test: str
    words: str
    helper: str = ""


FOLLOWED = By(
    "tests/system/test_getting_started.py::test_from_nothing_to_the_second_version", 'r"    (?:hostess|git) ", line)'
)
BY_HAND = "tests/system/test_backups_elsewhere.py::test_the_page_restores_without_hostess"
POSTGRES, REDIS = By(BY_HAND, 'first.replace("database-ID"'), By(BY_HAND, "unpack, serve = second")
MOMENT = By(
    "tests/system/test_point_in_time.py::test_standard_tools_go_back_to_a_moment",
    'text[text.index("    zstd -dc base/ID.tar.zst") : text.index(\'    pg_ctl start -w -D "$PGDATA"\')]',
)
MIGRATING = "tests/system/test_migrating.py::test_data_is_brought"
RECOVERY = "tests/system/test_host_recovery.py::test_a_lost_host_comes_back"
REGISTRY = "tests/integration/api/test_registries.py::test_a_private_image_runs_after_a_login"
INSTALLATION = "tests/system/test_installation.py::"
ON_A_SERVER = By(
    f"{INSTALLATION}test_what_the_pages_say_to_do_on_a_server",
    "for command in SERVER",
    "tests/system/documentation/on_a_server.py",
)
SERVER = (
    "systemctl restart hostess-proxy",
    "systemctl reload hostess-proxy",
    "systemctl disable --now hostess-proxy-https.socket",
    "systemctl edit hostess",
    "systemctl stop hostess",
    "hostess setup --base-domain apps.example.com",
    "journalctl -u hostess",
    "journalctl -u hostess-proxy",
    "git -C /opt/hostess/source pull && /opt/hostess/source/scripts/install",
    "python3 -m venv /opt/hostess/own",
    "/opt/hostess/own/bin/pip install WHEEL",
    "/opt/hostess/own/bin/hostess setup --base-domain apps.example.com",
    "/opt/hostess/0.1.0/bin/hostess setup",
    "rm -rf /opt/hostess",
)
"""What is typed on a server with systemd, in an order in which each finds what it needs."""

ELSEWHERE: dict[str, By] = {
    "scripts/demo": By(
        "tests/system/test_demo.py::test_the_demo_replaces_a_running_app_without_a_failed_request_and_leaves_nothing_behind",
        '"demo", "--once"',
    ),
    "apt-get update && apt-get install -y git && git clone REPOSITORY /opt/hostess/source &&"
    " /opt/hostess/source/scripts/install --base-domain apps.example.com": By(
        f"{INSTALLATION}test_the_readme_leads_to_a_first_push_and_the_app_outlives_daemon_and_proxy",
        'r"On the server, as root:',
        "tests/system/installed.py",
    ),
    "scripts/install": By(f"{INSTALLATION}test_upgrade_and_downgrade_under_load", "/source-next/scripts/install"),
    "hostess setup": By(f"{INSTALLATION}test_a_second_setup_has_nothing_to_do", 'server.execute("hostess", "setup")'),
    "hostess setup --no-start": By(f"{INSTALLATION}test_removing_everything", '"--no-start"'),
    "hostess setup --remove": By(
        f"{INSTALLATION}test_removing_leaves_data_which_the_next_setup_takes_up", '"setup", "--remove")'
    ),
    "hostess setup --remove --data": By(
        f"{INSTALLATION}test_removing_everything", '"setup", "--remove", "--data"', "tests/system/installed.py"
    ),
    **dict.fromkeys(SERVER, ON_A_SERVER),
    **{
        f"getting-started.md: {line}": FOLLOWED
        for line in (
            "hostess validate",
            "git remote add hostess http://x@127.0.0.1:7654/git/my-api.git",
            "git push hostess main",
            "hostess login --url http://127.0.0.1:7654",
            "git config credential.http://127.0.0.1:7654.helper '!hostess git-credential'",
            "hostess secrets add JWT_SECRET --project my-api",
            "hostess rollback --project my-api",
            "git push hostess main:refs/deploy/production",
            "git push hostess v1.4:refs/deploy/staging",
        )
    },
    "age -d -i backups.key -o plain.tar.zst database-ID.tar.zst": By(
        "tests/integration/backups/test_encryption.py::test_who_has_the_identity_reads_it", "age -d -i {file}"
    ),
    "zstd -dc notes-ID.tar.zst | tar -xO | docker cp - CONTAINER:/": By(
        "tests/system/test_file_backups.py::test_volumes_as_they_are", '"docker cp - CONTAINER" in line'
    ),
    "sha256sum database-ID.tar.zst": POSTGRES,
    "zstd -dc database-ID.tar.zst | tar -xO --wildcards 'globals.sql.*' | psql -d postgres": POSTGRES,
    "createdb app": POSTGRES,
    "zstd -dc database-ID.tar.zst | tar -xO --wildcards 'app.dump.*' | pg_restore --exit-on-error -d app": POSTGRES,
    "zstd -dc database-ID.tar.zst | tar -xO --wildcards 'app.settings.sql.*' | psql -v database=app -d postgres": POSTGRES,
    "zstd -dc cache-ID.tar.zst | tar -xO --wildcards 'dump.rdb.*' > /data/dump.rdb": REDIS,
    "redis-server --dir /data --appendonly no": REDIS,
    'zstd -dc base/ID.tar.zst | tar -xO | tar -x -C "$PGDATA"': MOMENT,
    'mkdir "$PGDATA/kept"': MOMENT,
    "for file in $(ls -tr wal/CHAIN/*.tar.zst); do\n"
    'name="$PGDATA/kept/$(basename "$file" | cut -c 1-24)"\n'
    'zstd -dc "$file" | tar -xO > "$name"\n'
    'truncate -s 16M "$name"\n'
    "done": MOMENT,
    """echo "restore_command = 'cp kept/%f %p'" >> "$PGDATA/postgresql.auto.conf\"""": MOMENT,
    """echo "recovery_target_time = '2026-01-02 03:04:05+00'" >> "$PGDATA/postgresql.auto.conf\"""": MOMENT,
    """echo "recovery_target_action = 'promote'" >> "$PGDATA/postgresql.auto.conf\"""": MOMENT,
    """echo "hot_standby = 'off'" >> "$PGDATA/postgresql.auto.conf\"""": MOMENT,
    'touch "$PGDATA/recovery.signal"': MOMENT,
    'pg_ctl start -w -D "$PGDATA"': By(
        "tests/system/test_point_in_time.py::test_standard_tools_go_back_to_a_moment", "pg_ctl"
    ),
    'hostess backups restore database --to "2026-01-02 03:04:05"': By(
        "tests/system/test_point_in_time.py::test_a_moment_is_recovered", '"restore", "database", "--to"'
    ),
    "hostess backups adopt database": By(
        "tests/system/test_backups_bucket.py::test_another_host_takes_them_over", '"backups", "adopt"'
    ),
    "hostess registry login ghcr.io -u octocat": By(REGISTRY, '"registry", "login", "private.test", "-u", "octocat"'),
    "hostess registry list": By(REGISTRY, '"registry", "list"'),
    "hostess registry logout ghcr.io": By(REGISTRY, '"registry", "logout"'),
    "pg_dump --format=custom --no-owner --no-acl OLD_URL > old.dump": By(MIGRATING, 'line("pg_dump ")'),
    "hostess services exec -T database -- pg_restore -U postgres --no-owner -d database < old.dump": By(
        MIGRATING, 'line("hostess services exec -T database")'
    ),
    "hostess backups create database": By(MIGRATING, 'line("hostess backups create database")'),
    "tar -C OLD_FOLDER -c . | hostess services exec -T notes -- tar -x -C /notes": By(
        MIGRATING, 'line("tar -C OLD_FOLDER")'
    ),
    "hostess host recover host.tar.zst.age --identity host-key.txt": By(RECOVERY, "*RECOVER]"),
    "hostess services destroy NAME --data": By(
        "tests/system/test_service_ends.py::test_data_outlives_its_service_until_it_is_destroyed",
        '"services", "destroy", "store", "--data"',
    ),
    "hostess deployments remove [ID]": By(
        "tests/system/test_removed.py::test_taken_down_and_brought_back", '"deployments", "remove"'
    ),
    "hostess services destroy SERVICE": By(
        "tests/system/test_service_ends.py::test_data_outlives_its_service_until_it_is_destroyed",
        '"services", "destroy"',
    ),
    "hostess services upgrade SERVICE --version N": By(
        "tests/system/test_upgrades.py::test_a_database_is_brought_to_a_later_major",
        '"services", "upgrade", "database"',
    ),
    "hostess backups adopt SERVICE": By(
        "tests/system/test_backups_bucket.py::test_another_host_takes_them_over", '"backups", "adopt"'
    ),
    "hostess host recover BUNDLE": By(RECOVERY, "*RECOVER]"),
    "hostess registry login HOST -u USER": By(REGISTRY, '"registry", "login", "private.test", "-u", "octocat"'),
    "hostess registry logout HOST": By(REGISTRY, '"registry", "logout"'),
    "hostess daemon": By(FOLLOWED.test, '(arguments or ("daemon",))', "tests/system/host.py"),
    "hostess proxy --upgrade": By(
        "tests/system/test_never_drop.py::test_nothing_that_a_user_does_loses_an_answer", '"proxy", "--upgrade"'
    ),
    "hostess tls retry HOST": By("tests/system/test_acme.py::test_a_renewal_loses_no_request", '"tls", "retry"'),
}
MEASURES = "measures for minutes what only a host that does nothing else can tell"
MENTIONED: dict[str, str] = {
    "scripts/test": "runs this; its form with arguments is executed",
    "scripts/check": "judges the code, not the product; whoever commits runs it",
    "scripts/bench": MEASURES,
    "scripts/bench data": MEASURES,
    "scripts/bench builds": MEASURES,
    "scripts/bench deploy": MEASURES,
    "HOSTESS_COMPILE=1 /opt/hostess/source/scripts/install": "needs a C compiler; the same variable of scripts/test has it tested",
    "docker run -d --restart always --privileged --name buildkit moby/buildkit": "starts what Railpack builds with; the tests of"
    " Railpack have a stand-in for both, since neither can be had without the internet",
    "git push dokku branch:main": "a command of Dokku, beside the one that takes its place",
    "git push dokku main": "a command of Dokku, beside the one that takes its place",
}

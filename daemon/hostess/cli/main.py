"""The command line: `hostess ...`. Each command lives in a file of its own, which is read only when it is used."""

import click

from hostess import __version__
from hostess.cli.groups import Lazy, example

_HERE = "hostess.cli"

PLACES = {
    "status": (f"{_HERE}.status:status", "Show the host and everything on it, on one screen."),
    "usage": (
        f"{_HERE}.usage:usage",
        "Show what SERVICE used of CPU and memory, all its replicas together; without it what...",
    ),
    "projects": (f"{_HERE}.projects:projects", "Look at projects, make, describe and delete them."),
    "environments": (
        f"{_HERE}.environments:environments",
        "Look at the environments of a project, make, change and delete them.",
    ),
    "deployments": (f"{_HERE}.deployments:deployments", "Look at deployments, follow, cancel and remove them."),
    "deploy": (
        f"{_HERE}.deploy:deploy",
        "Upload the folder as it is, committed or not, and deploy it by the same way as a push.",
    ),
    "rollback": (
        f"{_HERE}.rollback:rollback",
        "Go back to RELEASE (v12 or 12), by default to the one that was live before.",
    ),
    "canary": (
        f"{_HERE}.canary:canary",
        "Try a release out with a share of the requests, beside the one that is live.",
    ),
    "domains": (
        f"{_HERE}.domains:domains",
        "Let hosts lead to services, at once and beside hostess.yml; no deployment and no...",
    ),
    "lock": (f"{_HERE}.lock:lock", "Keep pushes, uploads, rollbacks, promotions, upgrades and rotations out of an..."),
    "unlock": (f"{_HERE}.lock:unlock", "Let deployments in again, whoever locked the environment."),
    "maintenance": (f"{_HERE}.maintenance:maintenance", 'Answer requests with a page that says "come back later".'),
    "pause": (
        f"{_HERE}.maintenance:pause",
        "Let requests to SERVICE wait, by default to all services of the environment.",
    ),
    "resume": (f"{_HERE}.maintenance:resume", "End a pause: the requests that wait are answered."),
    "services": (
        f"{_HERE}.services:services",
        "Look at what runs, read its logs, restart and scale it, and destroy what is left of...",
    ),
    "plan": (f"{_HERE}.plan:plan", "Tell what `git push` of the last commit would change, without changing anything."),
    "run": (f"{_HERE}.run:run", "Run COMMAND once, in a new container with the image and environment of SERVICE;..."),
    "connect": (
        f"{_HERE}.connect:connect",
        "Reach a service from here: `connect SERVICE` opens a local port that leads to it,...",
    ),
    "jobs": (f"{_HERE}.jobs:jobs", "Look at jobs, run them, read what they wrote."),
    "backups": (f"{_HERE}.backups:backups", "Take backups of databases, prove them, get them back."),
    "host": (f"{_HERE}.host:host", "Back the whole host up, and bring it back on an empty one."),
    "secrets": (
        f"{_HERE}.secrets:secrets",
        "Keep passwords and keys out of the code; hostess.yml refers to them as ${secret:NAME}.",
    ),
    "validate": (
        f"{_HERE}.validate:validate",
        "Check hostess.yml without a daemon: exit code 0 when it is valid, else 2 and one line...",
    ),
    "detect": (
        f"{_HERE}.detect:detect",
        "Show what `source: FOLDER` would be built with: the Dockerfile on standard output,...",
    ),
    "schema": (
        f"{_HERE}.schema:schema",
        "Print the JSON Schema (2020-12) of hostess.yml, with which editors complete and check...",
    ),
    "init": (f"{_HERE}.init:init", "Write hostess.yml from a Compose file."),
    "tls": (f"{_HERE}.tls:tls", "Certificates of hosts: they come by themselves; bring your own, or trust those of..."),
    "upcoming": (
        f"{_HERE}.upcoming:upcoming",
        "Show what happens next by itself: jobs, backups, drills, renewals of certificates,...",
    ),
    "events": (
        f"{_HERE}.events:events",
        "Show what happened: deployments, changes of secrets and tokens, and who made them.",
    ),
    "audit": (
        f"{_HERE}.events:audit",
        "Show who changed what by command or API: deployments, secrets, tokens, domains, locks.",
    ),
    "notify": (
        f"{_HERE}.notify:notify",
        "How people are told of trouble: by webhook, mail or a program, as the settings below...",
    ),
    "tokens": (f"{_HERE}.tokens:tokens", "Who may come in: access tokens of people and machines."),
    "keys": (f"{_HERE}.keys:keys", "Who may push over SSH: public keys of people and machines."),
    "registry": (f"{_HERE}.registry:registry", "Where private images come from: registries that the host signs in at."),
    "webhook": (f"{_HERE}.webhook:webhook", "Deploy what is pushed to a forge: GitHub, GitLab, Gitea, Forgejo."),
    "login": (
        f"{_HERE}.login:login",
        "Sign in with a token and remember it (in ~/.config/hostess/config.json, for this user...",
    ),
    "logout": (f"{_HERE}.login:logout", "Forget the saved login."),
    "whoami": (f"{_HERE}.login:whoami", "Show who the daemon takes you for."),
    "git-credential": (
        f"{_HERE}.git_credential:git_credential",
        "Hand the saved login to git, so that no URL holds a token.",
    ),
    "gc": (f"{_HERE}.gc:gc", "Remove images and static files that no kept release needs, old transcripts, and what..."),
    "config": (f"{_HERE}.config:config", "Look at the daemon's settings."),
    "setup": (
        f"{_HERE}.setup:setup",
        "Make users, folders, units and the way in for sshd, start daemon and proxy, and look...",
    ),
    "doctor": (
        f"{_HERE}.doctor:doctor",
        "Look at this host and at everything that Hostess needs of it; for each problem the...",
    ),
    "daemon": (
        f"{_HERE}.programs:daemon",
        "Run the control plane in the foreground, with the proxy as its child unless...",
    ),
    "proxy": (f"{_HERE}.programs:proxy", "Run the data plane alone; `hostess proxy --help` tells its options."),
    "completion": (
        f"{_HERE}.completion:completion",
        "Print the script that makes the shell complete commands and options.",
    ),
}
"""Command -> where it is, and what its own help begins with: to list all is to load none."""
ALIASES = {
    "ls": "deployments list",
    "list": "deployments list",
    "inspect": "deployments inspect",
    "rm": "deployments remove",
    "delete": "deployments remove",
    "dep": "deployments",
    "ps": "services list",
    "logs": "services logs",
    "envs": "environments",
}


@example(
    "git remote add hostess http://127.0.0.1:7654/git/shop.git", "git push hostess main", "hostess logs api --follow"
)
@click.group(
    cls=Lazy,
    places=PLACES,
    aliases=ALIASES,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 110},
    no_args_is_help=True,
)
@click.option("--url", envvar="HOSTESS_URL", help="The daemon's URL (HOSTESS_URL), for any command.")
@click.option("--token", envvar="HOSTESS_TOKEN", help="Access token (HOSTESS_TOKEN), for any command.")
@click.version_option(__version__, prog_name="hostess", message="%(prog)s version %(version)s")
def cli(url: str | None, token: str | None) -> None:
    """Push an app, and it runs: deployments without a lost request, on one host of your own."""


def main() -> None:
    """Run the command line and exit with the codes of its reference."""
    cli(prog_name="hostess")

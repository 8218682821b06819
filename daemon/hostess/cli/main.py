"""The command line: `hostess ...`. Each command lives in a file of its own, which is read only when it is used."""

import click

from hostess import __version__
from hostess.cli.groups import Lazy, example

_HERE = "hostess.cli"

PLACES = {
    "status": f"{_HERE}.status:status",
    "usage": f"{_HERE}.usage:usage",
    "projects": f"{_HERE}.projects:projects",
    "environments": f"{_HERE}.environments:environments",
    "deployments": f"{_HERE}.deployments:deployments",
    "deploy": f"{_HERE}.deploy:deploy",
    "rollback": f"{_HERE}.rollback:rollback",
    "canary": f"{_HERE}.canary:canary",
    "domains": f"{_HERE}.domains:domains",
    "lock": f"{_HERE}.lock:lock",
    "unlock": f"{_HERE}.lock:unlock",
    "maintenance": f"{_HERE}.maintenance:maintenance",
    "pause": f"{_HERE}.maintenance:pause",
    "resume": f"{_HERE}.maintenance:resume",
    "services": f"{_HERE}.services:services",
    "plan": f"{_HERE}.plan:plan",
    "run": f"{_HERE}.run:run",
    "connect": f"{_HERE}.connect:connect",
    "jobs": f"{_HERE}.jobs:jobs",
    "backups": f"{_HERE}.backups:backups",
    "host": f"{_HERE}.host:host",
    "secrets": f"{_HERE}.secrets:secrets",
    "validate": f"{_HERE}.validate:validate",
    "detect": f"{_HERE}.detect:detect",
    "schema": f"{_HERE}.schema:schema",
    "init": f"{_HERE}.init:init",
    "tls": f"{_HERE}.tls:tls",
    "upcoming": f"{_HERE}.upcoming:upcoming",
    "events": f"{_HERE}.events:events",
    "audit": f"{_HERE}.events:audit",
    "notify": f"{_HERE}.notify:notify",
    "tokens": f"{_HERE}.tokens:tokens",
    "keys": f"{_HERE}.keys:keys",
    "registry": f"{_HERE}.registry:registry",
    "webhook": f"{_HERE}.webhook:webhook",
    "login": f"{_HERE}.login:login",
    "logout": f"{_HERE}.login:logout",
    "whoami": f"{_HERE}.login:whoami",
    "git-credential": f"{_HERE}.git_credential:git_credential",
    "gc": f"{_HERE}.gc:gc",
    "config": f"{_HERE}.config:config",
    "setup": f"{_HERE}.setup:setup",
    "doctor": f"{_HERE}.doctor:doctor",
    "daemon": f"{_HERE}.programs:daemon",
    "proxy": f"{_HERE}.programs:proxy",
    "completion": f"{_HERE}.completion:completion",
}
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

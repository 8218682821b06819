"""hostess tls ..."""

import ipaddress
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import click

from hostess.cli import options
from hostess.cli.client import Client, path_of
from hostess.cli.failure import FAILED, NOT_ALLOWED, USAGE, Failure
from hostess.cli.groups import Aliased, example
from hostess.cli.output import show_json, show_table, tell
from hostess.cli.server import Server

MOST = 1024 * 1024
SHOWN = 3


class _Group(Aliased):
    ALIASES = {"ls": "list", "rm": "remove"}  # noqa: RUF012 -- as in the class above


@click.group(cls=_Group)
def tls() -> None:
    """Certificates of hosts: they come by themselves; bring your own, or trust those of this installation."""


@example(
    "hostess tls import --cert fullchain.pem --key privkey.pem",
    "pass show shop.key | hostess tls import --cert shop.pem --key - --host shop.example.com",
)
@tls.command("import")
@click.option("--cert", required=True, metavar="FILE", help="The certificate, then what signed it (PEM); - for stdin.")
@click.option("--key", required=True, metavar="FILE", help="Its private key (PEM, not encrypted); - for stdin.")
@click.option("--host", default="", help="Refuse the certificate unless it is for this host.")
@options.form
@options.connected
def import_(client: Client, cert: str, key: str, host: str, form: str) -> None:
    """Serve a certificate of your own for all names that are in it.

    It is checked before it is used, and takes the place of those imported before for the same names. It is not renewed: an event
    tells in time that it ends.
    """
    _refuse_network(client.server)
    given = {name: _text(name) for name in dict.fromkeys((cert, key))}
    made = client.send("POST", "/v1/tls/certificates", {"chain": given[cert], "key": given[key], "host": host})
    if form == "json":
        show_json(made)
        return
    click.echo(f"{', '.join(made['names'])}: served from now on, until {made['not_after'][:10]} ({made['issuer']})")
    for former in made["replaced"]:
        tell(f"in place of {former}, which is removed")


@example("hostess tls check shop.example.com", "hostess tls check '*.example.com'")
@tls.command("check")
@click.argument("domain")
@options.form
@options.connected
def check(client: Client, domain: str, form: str) -> None:
    """Tell whether a certificate can be issued for a domain now, what is in the way, and which DNS records to make.

    Where the domain leads is looked up and tried, IPv6 too, and whether its CAA records let the authority issue. Exit code 1 when
    it is not ready. The domain need not be in use yet.
    """
    found = client.get("/v1/tls/check", domain=domain)
    if form == "json":
        show_json(found)
    else:
        click.echo(found["verdict"])
        for each in found["findings"]:
            click.echo(f"  {'-' if each['hinders'] else 'note:'} {each['sentence']}")
        if found["records"]:
            click.echo("in DNS:")
        for each in found["records"]:
            click.echo(f"  {'remove' if each['remove'] else 'make'}  {each['name']}  {each['type']}  {each['value']}")
    if not found["ready"]:
        raise click.exceptions.Exit(FAILED)


@example("hostess tls list", "hostess tls list -o json")
@tls.command("list")
@options.form
@options.connected
def list_(client: Client, form: str) -> None:
    """List all certificates: whose they are, until when, when they are renewed, and what is the matter with those that are not there.

    SOURCE is acme for those of an authority that everybody trusts, imported for those that were brought, internal for those of this
    installation's own authority.
    """
    found = client.get("/v1/tls")["items"]
    if form == "json":
        show_json(found)
        return
    show_table(
        ["NAMES", "SOURCE", "STATE", "ISSUER", "EXPIRES", "RENEWAL"],
        [
            (
                _shortened(each["names"]),
                each["source"],
                each["state"],
                each["issuer"],
                (each["not_after"] or "")[:10],
                (each["renewal"] or "")[:10],
            )
            for each in found
        ],
        empty="there are no certificates yet",
    )
    for each in found:
        if each["error"]:
            again = f" (next attempt {each['next_attempt'][:16].replace('T', ' ')} UTC)" if each["next_attempt"] else ""
            tell(f"{each['names'][0]}: {each['error']}{again}")


@example("hostess tls retry shop.example.com")
@tls.command("retry")
@click.argument("host")
@options.form
@options.connected
def retry(client: Client, host: str, form: str) -> None:
    """Order the certificate for HOST now, whatever failed before and whatever DNS says; one that is well is renewed.

    The limits of the authority still count. `hostess tls list` tells what came of it.
    """
    found = client.send("POST", "/v1/tls/retry", {"host": host})["items"]
    if form == "json":
        show_json(found)
        return
    for names in found:
        click.echo(f"{', '.join(names)}: ordered")


@example("hostess tls remove shop.example.com")
@tls.command("remove")
@click.argument("certificate")
@options.force
@options.form
@options.connected
def remove(client: Client, certificate: str, force: bool, form: str) -> None:  # noqa: FBT001 -- click's
    """Serve an imported certificate no longer, by its id or one of its names; its hosts get others by themselves."""
    options.confirm(f"This removes the imported certificate {certificate} and its key.", force=force)
    removed = client.send("DELETE", path_of("tls", "certificates", certificate))["items"]
    if form == "json":
        show_json(removed)
        return
    for each in removed:
        click.echo(f"{', '.join(each['names'])}: removed")


@example("hostess tls root > hostess-root.pem", "curl --cacert hostess-root.pem https://shop-api.localhost")
@tls.command("root")
@options.form
@options.connected
def root(client: Client, form: str) -> None:
    """Print the root certificate of this installation's own authority, for clients that should trust it.

    The authority signs certificates for localhost, for private names and addresses, and for hosts that wait for another one. Its root
    is for names that are never public and the base domain only, so trusting it gives no power over other sites (unless
    acme.directory is empty). Compare its fingerprint with what the host itself prints before you trust it.

    \b
    Debian, Ubuntu   cp hostess-root.pem /usr/local/share/ca-certificates/hostess-root.crt && update-ca-certificates
    Fedora           cp hostess-root.pem /etc/pki/ca-trust/source/anchors/ && update-ca-trust
    macOS            sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain hostess-root.pem
    Windows          certutil -addstore Root hostess-root.pem
    Chrome on Linux  certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n Hostess -i hostess-root.pem
    Firefox          Settings, Privacy & Security, Certificates, View Certificates, Authorities, Import
    Python, Node     SSL_CERT_FILE=hostess-root.pem, NODE_EXTRA_CA_CERTS=hostess-root.pem
    """  # noqa: D301 -- click's mark that lines stay as they are
    found = client.get("/v1/tls/root")
    if form == "json":
        show_json(found)
        return
    click.echo(found["certificate"], nl=False)
    tell(f"{found['name']}, until {found['not_after'][:10]}; SHA-256 {found['fingerprint']}")


def _shortened(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _text(name: str) -> str:
    """Return what a file, or standard input, holds."""
    try:
        with click.open_file(name, encoding="utf-8") as file:
            text = file.read(MOST)
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is no text"
        raise Failure(
            f"{Path(name).name if name != '-' else 'standard input'} cannot be read: {what}",
            exit_code=USAGE,
            remedy="give a PEM file, which begins with -----BEGIN",
        ) from None
    return str(text)


def _refuse_network(server: Server) -> None:
    """Raise a Failure where a key would cross a network in the clear."""
    parts = urlsplit(server.url)
    if server.socket is not None or parts.scheme == "https" or _is_loopback(parts.hostname or ""):
        return
    raise Failure(
        f"{server} is reached by plain HTTP over a network, where everybody could read the key",
        exit_code=NOT_ALLOWED,
        remedy="use its HTTPS address, or do it on the host itself",
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")

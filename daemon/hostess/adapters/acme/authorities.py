"""Which authorities the settings name, in the order in which they are asked."""

from pathlib import Path

from hostess.adapters.acme.account import BindingFile
from hostess.adapters.acme.authority import AcmeAuthority
from hostess.domain.ports import Clock
from hostess.domain.settings import AcmeSettings


def authorities(settings: AcmeSettings, accounts: Path, clock: Clock) -> list[AcmeAuthority]:
    """Return a client for each authority; none where ACME is off. Their keys lie in the folder *accounts*."""
    if not settings.directory:
        return []
    named = {
        settings.fallback: _binding(settings.fallback_eab_kid, settings.fallback_eab_key_file),
        settings.directory: _binding(settings.eab_kid, settings.eab_key_file),
    }
    return [
        AcmeAuthority(
            directory, accounts, clock, email=settings.email, binding=named[directory], ca_file=settings.ca_file
        )
        for directory in dict.fromkeys([settings.directory, settings.fallback])
        if directory
    ]


def _binding(key_id: str, file: Path | None) -> BindingFile | None:
    return BindingFile(key_id, file) if key_id and file is not None else None

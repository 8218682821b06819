"""Which roles a restore makes, and what they are members of."""

from hostess.domain.backups.postgres_restore import missing_roles

GLOBALS = """--
-- PostgreSQL database cluster dump
--
CREATE ROLE "Odd Role";
ALTER ROLE "Odd Role" WITH NOSUPERUSER INHERIT;
CREATE ROLE "d'Arc";
ALTER ROLE "d'Arc" WITH LOGIN PASSWORD 'SCRAM-SHA-256$4096:x';
CREATE ROLE plain;
ALTER ROLE plain WITH NOSUPERUSER;
GRANT "Odd Role" TO "d'Arc" GRANTED BY postgres;
GRANT plain TO "Odd Role" WITH ADMIN OPTION;
GRANT plain TO other;
"""


def test_roles_of_any_name_are_made_with_their_memberships() -> None:
    """Names with blanks and quotes, too; what only roles that are there have to do with each other stays as it is."""
    made = missing_roles(GLOBALS, {"postgres", "plain", "other"})

    assert made.splitlines() == [line for line in GLOBALS.splitlines()[3:] if "Odd" in line or "Arc" in line]


def test_a_role_that_is_there_keeps_what_it_has() -> None:
    """Where no role is missing nothing is made, and no name that is a part of another one counts."""
    assert missing_roles(GLOBALS, {"Odd Role", "d'Arc", "plain"}) == ""
    assert 'GRANT "Odd Role" TO "d\'Arc"' not in missing_roles(GLOBALS, {"Odd Role", "d'Arc"})

"""Prints the reference page of the admin API, as /v1/docs shows it. scripts/reference writes it to docs/reference/api.md."""

import sys

from hostess.doors.api.app import OPERATIONS
from hostess.doors.api.openapi import document
from hostess.doors.api.reference import blocks, markdown

MADE = "<!-- Made by scripts/reference from the table of operations. Change that, not this page. -->\n\n"

if __name__ == "__main__":
    sys.stdout.write(MADE + markdown(blocks(document(OPERATIONS, ""))))

"""hostess.yml: text to stack."""

"""`python -m hostess` is the command line."""

from hostess.cli.main import main

main()

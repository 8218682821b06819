"""Which version of the application this is."""

VERSION = "1"

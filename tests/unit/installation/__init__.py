"""What an installation is, and how it is planned."""

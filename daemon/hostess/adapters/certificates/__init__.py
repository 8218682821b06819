"""Certificates and keys on disk, and the installation's own authority."""

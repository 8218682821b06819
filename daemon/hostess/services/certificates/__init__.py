"""Certificates: imported, internal, ordered, and which of them are served."""

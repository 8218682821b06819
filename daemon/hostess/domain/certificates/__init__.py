"""Certificates: their names, their checks, when they are wanted and by whom."""

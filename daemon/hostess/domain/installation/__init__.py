"""What an installation on a host consists of, and the steps that make it so, or undo it. Pure."""

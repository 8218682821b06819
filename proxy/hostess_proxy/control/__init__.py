"""The control socket: questions and tables of the daemon, and what workers are told."""

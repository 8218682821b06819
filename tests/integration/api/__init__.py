"""The admin API and the command line in front of it, on real sockets."""

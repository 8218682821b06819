"""What is true: values and decisions, without I/O, clock or chance."""

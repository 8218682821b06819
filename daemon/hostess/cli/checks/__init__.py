"""What `hostess doctor` looks at, one file for each part of a host. Each look yields findings and changes nothing."""

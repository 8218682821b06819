"""Every command of README.md and docs/ is executed: here, on a host that a reader of the pages could have, or by a test that is named."""

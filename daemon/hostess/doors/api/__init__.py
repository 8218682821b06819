"""The admin API: one file per resource, one table of operations from which routes and OpenAPI document are made."""

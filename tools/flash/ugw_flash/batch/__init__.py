"""Many gateways in one go: a sheet of rows in, results out, nothing shared between two rows."""

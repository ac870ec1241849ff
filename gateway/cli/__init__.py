"""The command `ugw`: one module per command."""

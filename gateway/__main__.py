"""`python -m gateway`: the command `ugw`."""

from gateway.cli.main import main

main()

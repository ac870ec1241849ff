"""What city IT and installers make gateways with: the files of a board, signed updates."""

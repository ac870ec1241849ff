"""What makes gateways: cards and boards, their seeds, labels and bundles, signed updates."""

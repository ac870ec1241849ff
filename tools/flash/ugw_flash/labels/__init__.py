"""Labels for housings: who a gateway is, to be read by people and by their telephones."""

"""Seeds: what a card is given beside its image, so that its first boot makes a gateway of it."""

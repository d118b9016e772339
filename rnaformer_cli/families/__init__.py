"""Family profiles: search a sequence for them, and combine their pairs with the network's."""

"""Train the network: config, targets, loss, optimiser, training loop, validation, run folder."""

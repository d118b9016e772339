"""The network: config, targets, loss, optimiser, loop, validation, run folder."""

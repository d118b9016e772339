"""Tensors -> tensors: config, network, checkpoints."""

"""Prediction: batching, the network on a device, decoding, worker processes."""

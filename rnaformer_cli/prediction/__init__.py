"""Prediction: batches, the network on a device, decoding, worker processes."""

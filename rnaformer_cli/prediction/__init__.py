"""The predict path: device, batches, decoding, a stream of predictions."""

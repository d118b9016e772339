"""The shipped checkpoints, one folder each; installed as `rnaformer_cli.weights`."""

"""`python -m rnaformer_cli` is the command `rnaformer`."""

from rnaformer_cli.cli.main import main

if __name__ == "__main__":
    main()

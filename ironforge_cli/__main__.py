"""Entry point of `ironforge` and of `python -m ironforge_cli`."""

from ironforge_cli.cli.app import main

if __name__ == "__main__":
    main()

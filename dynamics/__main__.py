"""``python -m dynamics``: the command line."""

from dynamics.cli import main

if __name__ == "__main__":
    main()

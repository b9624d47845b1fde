"""``python -m zvview``: the command line."""

from zvview.cli import main

if __name__ == "__main__":
    main()

"""``python -m openbasket``, and ``accelerate launch -m openbasket``: the command line."""

from openbasket.cli import main

if __name__ == "__main__":
    main()

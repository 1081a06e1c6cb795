"""`python -m imexnet`: the command line, see `imexnet.cli.main`."""

from imexnet.cli.main import main

if __name__ == "__main__":
    main()

"""The page: `python app.py` is `imexnet serve`; `demo` is for those who import it."""

import sys

if __name__ == "__main__":
    from imexnet.cli.main import main

    main(["serve", *sys.argv[1:]])
else:
    from imexnet.ui.server.start import build

    demo = build()

"""`python -m cryoscore_plugin` is the command `cryoscore`."""

import sys

from cryoscore_plugin.cli import main

if __name__ == "__main__":
    sys.exit(main())

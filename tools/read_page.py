"""See ``tools/read_page.py --help``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from aocr_plugin import lazy_packages
from aocr_plugin.cli.read_page import main

if __name__ == "__main__":
    lazy_packages.install()
    sys.exit(main())

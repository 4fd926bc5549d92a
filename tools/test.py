"""See ``tools/test.py --help``."""

import sys

import aocr_plugin.bootstrap  # noqa: F401
from aocr_plugin.cli.test import main

sys.exit(main())

"""See ``tools/new_config.py --help``."""

import sys

import aocr_plugin.bootstrap  # noqa: F401
from aocr_plugin.cli.new_config import main

sys.exit(main())

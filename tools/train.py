"""See ``tools/train.py --help``."""

import sys

import aocr_plugin.bootstrap  # noqa: F401
from aocr_plugin.cli.train import main

sys.exit(main())

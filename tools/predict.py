"""See ``tools/predict.py --help``."""

import sys

import aocr_plugin.bootstrap  # noqa: F401
from aocr_plugin.cli.predict import main

sys.exit(main())

"""What MMDeploy needs to know of this package; ``codebase_config.module`` names this module.

Importing it registers the rewriter of the recogniser and the task that reads our pipelines.
"""

from aocr_plugin.deploy import rewriters, task

__all__ = ["rewriters", "task"]

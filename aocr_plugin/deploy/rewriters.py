"""How MMDeploy exports our recogniser: all steps of it, no branch, symbols in the SDK's order."""

from typing import Any

from mmdeploy.core import FUNCTION_REWRITER
from torch import Tensor

from aocr_plugin.deploy.order import sdk_order

NETWORK = "_fixed_step_network"
"""Attribute of a recogniser that is to be exported; no submodule, for it holds the recogniser."""


@FUNCTION_REWRITER.register_rewriter("aocr_plugin.models.recognizers.aocr.AOCR.forward")
def aocr_forward(self: Any, inputs: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Returns the probabilities [N, L, V] of greedy decoding, V in the SDK's order.

    Args:
        self: the recogniser, of ``AOCRTextRecognition.build_pytorch_model``.
        inputs: [N, C, 32, W], normalised, padded as :mod:`aocr_plugin.export.network` says.
        *args: MMDeploy's samples, which hold no valid widths: the pixels say them.
        **kwargs: likewise.
    """
    probabilities, _ = self.__dict__[NETWORK](inputs)
    return probabilities[..., sdk_order(self.decoder.dictionary)]

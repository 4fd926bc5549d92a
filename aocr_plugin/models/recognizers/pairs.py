"""Which parts go together, and what to set where they do not.

MMOCR hands the backbone's features and the encoder's output to every decoder, and each decoder
reads what it likes: ``CRNNDecoder`` the features alone, ``ASTERDecoder`` the encoder's output
alone, the SAR decoders both, of which the second must be ``SAREncoder``'s. Nothing in MMOCR says
so.
"""

from typing import Any

from mmocr.models.textrecog.decoders import (
    ASTERDecoder,
    CRNNDecoder,
    ParallelSARDecoder,
    SequentialSARDecoder,
)
from mmocr.models.textrecog.encoders import ASTEREncoder, SAREncoder

from aocr_plugin.models.decoders.attention_decoder import AttentionDecoder
from aocr_plugin.models.encoders.stacked_lstm import StackedLSTMEncoder
from aocr_plugin.models.misfits import MisfitError

_SAR = (ParallelSARDecoder, SequentialSARDecoder)


def check(model: Any, mask_padding: bool, greedy_loss: bool, cuda_graphs: bool) -> None:
    """Checks a recogniser's parts.

    Args:
        model: with its parts built.
        mask_padding: see ``AOCR``.
        greedy_loss: whether ``AOCR`` is to compute the loss of greedy decoding.
        cuda_graphs: see ``AOCR``.

    Raises:
        MisfitError: the first pair that does not fit, and what to set.
    """
    encoder, decoder = getattr(model, "encoder", None), model.decoder
    _check_decoder(encoder, decoder)
    if mask_padding:
        _check_masking(model, encoder, decoder)
    if cuda_graphs and not isinstance(decoder, AttentionDecoder):
        raise MisfitError(
            f"cuda_graphs=True needs AttentionDecoder, not {type(decoder).__name__}: set "
            "cuda_graphs=False"
        )
    if cuda_graphs and not isinstance(encoder, StackedLSTMEncoder | ASTEREncoder | None):
        raise MisfitError(
            f"cuda_graphs=True needs StackedLSTMEncoder, ASTEREncoder or none: "
            f"{type(encoder).__name__} reads samples while it learns; set cuda_graphs=False"
        )
    if cuda_graphs and mask_padding and getattr(encoder, "cell", None) != "lstm":
        raise MisfitError(
            "cuda_graphs=True with mask_padding=True needs an encoder of cell='lstm': a GRU's "
            "padding is packed by the processor; set cuda_graphs=False"
        )
    if greedy_loss and not isinstance(decoder, AttentionDecoder):
        raise MisfitError(
            f'score_labels="greedy" needs AttentionDecoder, not {type(decoder).__name__}: set '
            "score_labels=True"
        )
    if greedy_loss and decoder.early_stop:
        raise MisfitError('score_labels="greedy" needs all steps: set early_stop=False')


def _check_decoder(encoder: Any, decoder: Any) -> None:
    """Checks that a decoder gets what it reads.

    Raises:
        MisfitError: it does not.
    """
    name = type(decoder).__name__
    if isinstance(decoder, AttentionDecoder):
        if isinstance(encoder, SAREncoder):
            raise MisfitError(
                "AttentionDecoder looks at columns, SAREncoder gives one vector an image: use "
                "StackedLSTMEncoder, ASTEREncoder or encoder=None"
            )
        return
    if isinstance(decoder, CRNNDecoder) and encoder is not None:
        raise MisfitError(
            "CRNNDecoder reads the backbone's features and would pass over "
            f"{type(encoder).__name__}: set encoder=None (it has LSTMs with rnn_flag=True)"
        )
    if isinstance(decoder, ASTERDecoder) and encoder is None:
        raise MisfitError(
            "ASTERDecoder reads an encoder's output: add ASTEREncoder, or StackedLSTMEncoder with "
            "return_state=False"
        )
    if isinstance(decoder, _SAR) and not isinstance(encoder, SAREncoder):
        raise MisfitError(f"{name} needs SAREncoder's one vector an image: set encoder to it")
    if isinstance(decoder, ASTERDecoder) and isinstance(encoder, SAREncoder):
        raise MisfitError(
            "ASTERDecoder looks at columns, SAREncoder gives one vector an image: use ASTEREncoder "
            "or StackedLSTMEncoder with return_state=False"
        )
    if isinstance(encoder, StackedLSTMEncoder) and encoder.return_state:
        raise MisfitError(
            f"{name} expects a plain tensor: set return_state=False in StackedLSTMEncoder"
        )


def _check_masking(model: Any, encoder: Any, decoder: Any) -> None:
    """Checks that every part can tell padding from image.

    Raises:
        MisfitError: one cannot.
    """
    if not hasattr(getattr(model, "backbone", None), "feature_lengths"):
        raise MisfitError(
            "mask_padding=True needs a backbone that takes widths (SlidingCNN); with another "
            "set mask_padding=False"
        )
    if not isinstance(encoder, StackedLSTMEncoder):
        raise MisfitError(
            "mask_padding=True needs StackedLSTMEncoder; with another encoder, or none, set "
            "mask_padding=False"
        )
    if model.with_preprocessor:
        raise MisfitError(
            "mask_padding=True cannot follow the padding through a preprocessor (STN); set "
            "mask_padding=False"
        )
    if not isinstance(decoder, AttentionDecoder):
        raise MisfitError(
            f"mask_padding=True needs AttentionDecoder: {type(decoder).__name__} looks at padding "
            "too; set mask_padding=False"
        )

"""aocr's attention decoder as an MMOCR decoder: teacher forcing, greedy and beam search."""

from collections.abc import Sequence
from typing import Any

import torch
from mmocr.models.common.dictionary import Dictionary
from mmocr.models.textrecog.decoders import BaseDecoder
from mmocr.registry import MODELS, TASK_UTILS
from mmocr.structures import TextRecogDataSample
from torch import Tensor, nn

from aocr_plugin.models.decoders import loops, start_state
from aocr_plugin.models.decoders.cells import AttentionStep
from aocr_plugin.models.decoders.loops import DecoderOutput, Start
from aocr_plugin.models.decoders.search import SearchSettings, TextSearch
from aocr_plugin.models.dropout import ByteDropout
from aocr_plugin.models.encoders.stacked_lstm import EncoderOutput
from aocr_plugin.models.initialisation import glorot_linear_
from aocr_plugin.models.module_losses.sequence_ce import SequenceCELoss
from aocr_plugin.models.transfers import moved

Encoded = EncoderOutput | Tensor | None
Samples = Sequence[TextRecogDataSample] | None


@MODELS.register_module()
class AttentionDecoder(BaseDecoder):
    """Attention decoder over the columns of an encoder (or of a backbone).

    Written on MMOCR's ``BaseDecoder`` but for three things that it gets wrong: the caller's
    config is not changed, the dictionary is built once, and whether it trains or predicts is
    told by the method called (``loss`` or ``predict``), not by ``self.training``. The defaults
    are the original's.

    Args:
        dictionary: MMOCR dictionary (or its config) with start and end symbols.
        in_channels: channels M of the encoder's memory.
        hidden_size: units h of a decoder layer.
        num_layers: decoder layers.
        embed_dims: size of a symbol's embedding.
        cell: "lstm", or "gru" for TensorFlow's GRU (``aocr --use-gru``).
        share_layers: one set of weights for all layers, as in the original; False is better and
            costs parameters.
        forget_bias: start of the LSTM's forget gate; 1.0 is better than the original's 0.
        init_state: "aocr": the layers' states are slices of the encoder's forward state
            [c; h], as odd as the original (layer l takes values 2lh to 2(l+1)h as its [c; h]; a
            GRU's layer takes lh to (l+1)h). "linear" (better): a learnt projection of that
            state. "zero": zeros, for encoders that give no state (MMOCR's).
        max_seq_len: most steps L of greedy decoding; a label may have max_seq_len - 2
            characters (the original's ``max_prediction`` is ``max_seq_len - 2``).
        temperature: what logits are divided by for probabilities; see ``tools/calibrate.py``.
        beam_width: see :class:`SearchSettings`, and so for the next four; the default is greedy.
        nbest: texts wanted.
        allowed: the only characters that may occur.
        pattern: regular expression that the text must match.
        length: number of characters, or the smallest and the largest.
        early_stop: stop decoding once every image of the batch has ended. Texts and scores are the
            same; aocr's probability over all steps can only be had without.
        keep_attention: put the attention weights [L, T] of each image into its prediction.
        dropout: of the output layer's input while training (none in the original).
        height_pool: see :class:`StackedLSTMEncoder`; used where there is no encoder.
        module_loss, postprocessor: configs of the loss and of the postprocessor.
        init_cfg: MMEngine's initialisation config.

    Raises:
        ValueError: another argument is out of range, the dictionary lacks start or end symbol,
            or the loss is another than ``SequenceCELoss``.
        ConfigError: a search argument is out of range, or no text can satisfy the constraints.
    """

    symbol_rows = ("step.embedding.weight", "output.weight", "output.bias")

    def __init__(
        self,
        dictionary: dict[str, Any] | Dictionary,
        in_channels: int = 512,
        hidden_size: int = 128,
        num_layers: int = 2,
        embed_dims: int = 10,
        cell: str = "lstm",
        share_layers: bool = True,
        forget_bias: float = 0.0,
        init_state: str = "aocr",
        max_seq_len: int = 10,
        temperature: float = 1.0,
        beam_width: int | None = None,
        nbest: int = 1,
        allowed: str | Sequence[str] | None = None,
        pattern: str | None = None,
        length: int | Sequence[int] | None = None,
        early_stop: bool = False,
        keep_attention: bool = False,
        dropout: float = 0.0,
        height_pool: str | None = None,
        module_loss: dict[str, Any] | None = None,
        postprocessor: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        if isinstance(dictionary, dict):
            dictionary = TASK_UTILS.build(dictionary)
        super().__init__(
            dictionary=dictionary,
            module_loss=None if module_loss is None else dict(module_loss),
            postprocessor=None if postprocessor is None else dict(postprocessor),
            max_seq_len=max_seq_len,
            init_cfg=init_cfg,
        )
        if self.dictionary.start_idx is None or self.dictionary.end_idx is None:
            raise ValueError("the attention decoder needs a dictionary with start and end symbols")
        if max_seq_len < 3:
            raise ValueError(f"max_seq_len is {max_seq_len}; one character takes 3 steps")
        if init_state not in start_state.START_STATES:
            raise ValueError(
                f"init_state is '{init_state}'; it is one of {start_state.START_STATES}"
            )
        if self.module_loss is not None and not isinstance(self.module_loss, SequenceCELoss):
            raise ValueError(
                f"module_loss is {type(self.module_loss).__name__}; the attention decoder trains "
                "with SequenceCELoss"
            )
        self.search = TextSearch(
            self.dictionary,
            max_seq_len,
            self.postprocessor,
            temperature,
            SearchSettings(beam_width, nbest, allowed, pattern, length),
        )
        self.init_state = init_state
        self.early_stop = early_stop
        self.keep_attention = keep_attention
        self.height_pool = height_pool
        self.step = AttentionStep(
            memory_channels=in_channels,
            num_classes=self.dictionary.num_classes,
            embed_dims=embed_dims,
            hidden_size=hidden_size,
            num_layers=num_layers,
            cell=cell,
            share_layers=share_layers,
            forget_bias=forget_bias,
        )
        self.dropout = ByteDropout(dropout)
        self.output = nn.Linear(hidden_size + in_channels, self.dictionary.num_classes)
        glorot_linear_(self.output)
        if init_state == "linear":
            self.first_state = nn.Linear(in_channels, self.step.num_states * hidden_size)
            glorot_linear_(self.first_state)

    def start(self, feat: Tensor | None, out_enc: Encoded) -> Start:
        """Returns the memory, the first state and the mask of padded columns."""
        projection = self.first_state if self.init_state == "linear" else None
        encoded = start_state.encoder_output(feat, out_enc, self.height_pool)
        state = start_state.start_state(encoded, self.init_state, self.step, projection)
        return Start(encoded.memory, state, start_state.padding_mask(encoded))

    def logits(self, outputs: Tensor, contexts: Tensor) -> Tensor:
        """Maps cell outputs [..., h] and contexts [..., M] to logits [..., V]."""
        return self.output(self.dropout(torch.cat([outputs, contexts], dim=-1)))

    def teacher_forced(
        self, feat: Tensor | None, out_enc: Encoded, inputs: Tensor
    ) -> DecoderOutput:
        """Decodes with given previous symbols.

        Args:
            feat: backbone features [N, C, 1, T]; read only without an encoder.
            out_enc: the encoder's output.
            inputs: [N, L] the symbol before each step; the first column is the start symbol.

        Returns:
            Logits and attention of all L steps.
        """
        return loops.teacher_forced(self.step, self.logits, self.start(feat, out_enc), inputs)

    def greedy(self, feat: Tensor | None, out_enc: Encoded) -> DecoderOutput:
        """Decodes with its own most probable symbol as the next step's input.

        Args:
            feat: backbone features [N, C, 1, T]; read only without an encoder.
            out_enc: the encoder's output.

        Returns:
            Logits and attention of max_seq_len steps, or of fewer with ``early_stop``.
        """
        start = self.start(feat, out_enc)
        return loops.greedy(
            self.step, self.logits, start, self.dictionary, self.max_seq_len, self.early_stop
        )

    def _forced(
        self, feat: Tensor | None, out_enc: Encoded, data_samples: Samples
    ) -> tuple[Tensor, Tensor]:
        """Returns logits [N, L, V] under teacher forcing and the right symbols [N, L].

        L is the longest label and its end symbol.
        """
        if self.module_loss is None:
            raise ValueError("training AttentionDecoder needs module_loss in its config")
        anchor = feat if feat is not None else out_enc[0]  # type: ignore[index]
        rows = self.module_loss.target_rows(data_samples or [])
        targets = moved(rows, anchor.device)
        return self.teacher_forced(feat, out_enc, targets[:, :-1]).logits, targets[:, 1:]

    def loss(
        self, feat: Tensor | None = None, out_enc: Encoded = None, data_samples: Samples = None
    ) -> dict[str, Tensor]:
        """Returns the loss of teacher forcing on the samples' labels."""
        logits, targets = self._forced(feat, out_enc, data_samples)
        return self.module_loss(logits, data_samples, targets=targets)

    def label_loss(
        self, feat: Tensor | None, out_enc: Encoded, data_samples: Samples, greedy: bool = False
    ) -> Tensor:
        """Returns [N] each image's loss, of teacher forcing or (aocr's test) greedy decoding."""
        logits, targets = self._forced(feat, out_enc, data_samples)
        if greedy:
            logits = self.greedy(feat, out_enc).logits[:, : targets.size(1)]
        return self.module_loss.per_image(logits, targets)

    def forward(
        self, feat: Tensor | None = None, out_enc: Encoded = None, data_samples: Samples = None
    ) -> Tensor:
        """Returns the probabilities [N, L, V] of greedy decoding, at the temperature."""
        return torch.softmax(
            self.greedy(feat, out_enc).logits.float() / self.search.temperature, dim=-1
        )

    def predict(
        self, feat: Tensor | None = None, out_enc: Encoded = None, data_samples: Samples = None
    ) -> Sequence[TextRecogDataSample]:
        """Decodes and writes ``pred_text`` into the samples.

        Args:
            feat: backbone features [N, C, 1, T]; read only without an encoder.
            out_enc: the encoder's output.
            data_samples: the batch's N samples.

        Returns:
            The samples; see the postprocessor for what ``pred_text`` holds, and
            ``keep_attention`` for ``pred_text.attention`` [L, T].
        """
        return self.search(
            self.step,
            self.logits,
            self.start(feat, out_enc),
            data_samples or [],
            early_stop=self.early_stop,
            keep_attention=self.keep_attention,
        )

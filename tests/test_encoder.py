import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from aocr_plugin.models.encoders.stacked_lstm import StackedLSTMEncoder


@pytest.mark.parametrize(
    ("options", "channels"),
    [
        (dict(cell="gru"), 12),
        (dict(bidirectional=False), 6),
        (dict(num_layers=3, dropout=0.1), 12),
        (dict(cell="gru", num_layers=2, bidirectional=False), 6),
    ],
)
def test_encoder_variants(options, channels):
    encoder = StackedLSTMEncoder(in_channels=4, hidden_size=6, **options)
    memory, state, _ = encoder(torch.randn(2, 4, 1, 5), lengths=torch.tensor([5, 3]))
    assert memory.shape == (2, 5, channels) and state.shape == (2, encoder.state_size)
    assert memory[1, 3:].abs().max() == 0


@pytest.mark.parametrize("options", [{}, dict(num_layers=2), dict(bidirectional=False)])
def test_an_lstm_that_stands_still_gives_what_packed_sequences_give(options, seeded):
    encoder = StackedLSTMEncoder(in_channels=4, hidden_size=6, forget_bias=1.0, **options)
    feat = torch.randn(3, 4, 1, 7, requires_grad=True)
    lengths = torch.tensor([5, 7, 1])
    found, state, _ = encoder(feat, lengths=lengths)
    sequence = feat[:, :, 0].transpose(1, 2)
    packed = pack_padded_sequence(sequence, lengths, batch_first=True, enforce_sorted=False)
    output, (hidden, carry) = encoder.rnn(packed)
    right, _ = pad_packed_sequence(output, batch_first=True, total_length=7)
    forward = -2 if encoder.rnn.bidirectional else -1
    torch.testing.assert_close(found, right)
    torch.testing.assert_close(state, torch.cat([carry[forward], hidden[forward]], 1))
    learnt = [feat, *(p for p in encoder.parameters() if p.requires_grad)]
    slopes = torch.randn(found.shape), torch.randn(state.shape)
    for one, other in zip(
        torch.autograd.grad([found, state], learnt, slopes),
        torch.autograd.grad(
            [right, torch.cat([carry[forward], hidden[forward]], 1)], learnt, slopes
        ),
        strict=True,
    ):
        torch.testing.assert_close(one, other)

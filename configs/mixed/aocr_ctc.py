"""aocr_base's data, training and backbone before the CTC decoder of MMOCR's CRNN.

Reads a line in one pass, without a loop over characters. A text has at most a character a feature
column (four pixels), less where characters repeat. Padding is looked at like the rest.
"""

_base_ = ["../aocr_base.py"]

model = dict(
    _delete_=True,
    type="CRNN",
    data_preprocessor=_base_.model.data_preprocessor,
    backbone=_base_.model.backbone,
    decoder=dict(
        type="CRNNDecoder",
        in_channels=256,
        rnn_flag=True,
        dictionary=_base_.dictionary,
        module_loss=dict(type="CTCModuleLoss", zero_infinity=True),
        postprocessor=dict(type="CTCPostProcessor"),
    ),
)

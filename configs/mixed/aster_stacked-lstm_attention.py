"""MMOCR's ASTER, its data, schedule, STN and ResNet, with aocr's encoder and decoder."""

_base_ = ["mmocr::textrecog/aster/aster_resnet45_6e_st_mj.py"]
custom_imports = dict(imports=["aocr_plugin"], allow_failed_imports=False)
model = dict(
    type="AOCR",  # MMOCR's ASTER trains these parts too; AOCR's checkpoints can be exported
    encoder=dict(_delete_=True, type="StackedLSTMEncoder", in_channels=512),
    decoder=dict(
        _delete_=True,
        type="AttentionDecoder",
        max_seq_len=40,  # longest label + 2; a longer one is an error, never cut
        dictionary=_base_.dictionary,
        module_loss=dict(type="SequenceCELoss"),
        postprocessor=dict(type="WordScorePostprocessor"),
    ),
)

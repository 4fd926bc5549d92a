"""MMOCR's CRNN, its data, schedule and CTC decoder, with aocr's backbone: three lines."""

_base_ = ["mmocr::textrecog/crnn/crnn_mini-vgg_5e_mj.py"]
custom_imports = dict(imports=["aocr_plugin"], allow_failed_imports=False)
model = dict(backbone=dict(_delete_=True, type="SlidingCNN", in_channels=1))

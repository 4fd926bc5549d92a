"""MMOCR's SAR, its data, schedule, encoder and decoder, with aocr's backbone.

Images are 48 pixels high here, which leaves two rows of features; SAR looks at both.
"""

_base_ = ["mmocr::textrecog/sar/sar_resnet31_parallel-decoder_5e_st-sub_mj-sub_sa_real.py"]
custom_imports = dict(imports=["aocr_plugin"], allow_failed_imports=False)
model = dict(backbone=dict(_delete_=True, type="SlidingCNN", in_channels=3))

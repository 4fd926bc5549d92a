"""MMOCR's ASTER, its data, schedule, STN, encoder and decoder, with aocr's backbone."""

_base_ = ["mmocr::textrecog/aster/aster_resnet45_6e_st_mj.py"]
custom_imports = dict(imports=["aocr_plugin"], allow_failed_imports=False)
model = dict(backbone=dict(_delete_=True, type="SlidingCNN", in_channels=3))

"""aocr_base for crops that may stand upright: MMOCR's test-time augmentation.

Higher than wide, a crop is also read turned to the left and to the right, and the reading with the
best mean character score is kept. Test with MMOCR's tool: ``test.py CONFIG CHECKPOINT --tta``.
"""

_base_ = ["../aocr_base.py"]

dictionary = dict(charset="ascii")  # spelt out: MMOCR's tool wraps the model before ours looks
upright = "results['img_shape'][1] < results['img_shape'][0]"
turns = [
    dict(
        type="ConditionApply",
        condition=upright,
        true_transforms=[
            dict(type="ImgAugWrapper", args=[dict(cls="Rot90", k=k, keep_size=False)])
        ],
    )
    for k in (0, 1, 3)
]
tta_pipeline = [
    _base_.test_pipeline[0],
    dict(
        type="TestTimeAug",
        transforms=[
            turns,
            [step for step in _base_.test_pipeline if step["type"] == "RescaleToHeight"],
            [dict(type="LoadOCRAnnotations", with_text=True)],
            [_base_.test_pipeline[-1]],
        ],
    ),
]
tta_model = dict(type="EncoderDecoderRecognizerTTAModel")
model = dict(decoder=dict(dictionary=dictionary))

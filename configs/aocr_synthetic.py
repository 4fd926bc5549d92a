"""aocr_base on drawn images: no data needed, nothing stored. docs/SYNTHESIS.md says what they show.

Training and validation are parts of the same seed that share no image. To train beside your own
images, put both into a ConcatDataset with SourceSampler, as in ``mixed/aocr_mixed-data.py``.
"""

_base_ = ["aocr_base.py"]

# ------------------------------------------------------------------ often changed
dictionary = dict(charset="alphanumeric")
drawn = dict(
    type="SyntheticDataset",
    style="scene",  # or shares: dict(scene=0.8, plate=0.2)
    height=32,  # pixels; drawn as high as the network reads
    texts=dict(max_length=16),  # characters; shares of kinds and cases too
    seed=0,
)

# ------------------------------------------------------------------ rarely changed
model = dict(decoder=dict(dictionary=dictionary))
train_dataloader = dict(
    num_workers=2,
    dataset=dict(drawn, _delete_=True, pipeline=_base_.train_pipeline),
)
val_dataloader = dict(
    dataset=dict(
        drawn,
        _delete_=True,
        part="validation",
        size=1000,
        pipeline=_base_.test_pipeline,
        test_mode=True,
    ),
)

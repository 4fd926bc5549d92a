"""aocr_english on a GPU: from its weights, with images drawn while it trains.

    python tools/fetch_fonts.py
    python tools/train.py configs/aocr_english_gpu.py --finetune english

As in ``aocr_english_accurate.py`` no image is seen twice and the learning rate goes by the clock.
"""

_base_ = ["aocr_english_gpu_records.py"]

# ------------------------------------------------------------------ often changed
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="SyntheticDataset",
        style="scene",
        height=32,
        size=10_000_000,
        texts=_base_.texts,
        pipeline=_base_.train_pipeline,
    ),
)

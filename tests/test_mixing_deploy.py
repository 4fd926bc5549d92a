"""Our backbone before MMOCR's decoders, exported by MMDeploy's own rewriters."""

import numpy as np
import pytest
import torch
from conftest import ROOT, make_samples
from exported import RESCALED
from mixing_parts import batch, build, ours_before, settle

mmdeploy = pytest.importorskip("mmdeploy", reason="MMDeploy is not installed: extra [deploy]")
STATIC = ROOT / "configs" / "deploy" / "text-recognition_onnxruntime_static.py"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["CTC", "ASTER", "SAR, parallel", "SAR, sequential"])
def test_mmdeploys_file_gives_what_the_model_gives(name, tmp_path, seeded):
    import cv2
    import onnxruntime
    from mmdeploy.apis import torch2onnx
    from mmengine.config import Config

    import aocr_plugin.deploy  # noqa: F401
    from aocr_plugin.deploy.conversion import _torchscript_exporter

    config = ours_before(name)
    if config["type"] == "AOCR":
        config = {**config, "type": "SARNet"}
        config.pop("channels_last", None)
    config["data_preprocessor"] = dict(
        type="TextRecogDataPreprocessor", mean=[128], std=[128], pad_value=0
    )
    model = build(config)
    settle(model, batch())
    torch.save(dict(state_dict=model.state_dict()), tmp_path / "a.pth")
    pipeline = [RESCALED[0], dict(type="Resize", scale=(100, 32)), *RESCALED[1:2], RESCALED[3]]
    dataset = dict(type="AOCRDataset", ann_file="", pipeline=pipeline, test_mode=True)
    model_config = Config(
        dict(
            default_scope="mmocr",
            model=config,
            test_pipeline=pipeline,
            test_dataloader=dict(batch_size=1, num_workers=0, dataset=dataset),
            visualizer=dict(type="TextRecogLocalVisualizer", name="deploy"),
        )
    )
    deploy_config = Config.fromfile(STATIC)
    deploy_config.onnx_config.input_shape = (100, 32)
    gray = ((batch()[0, 0] * 128) + 128).byte().numpy()
    cv2.imwrite(str(tmp_path / "a.png"), gray)
    with _torchscript_exporter():
        torch2onnx(
            str(tmp_path / "a.png"),
            str(tmp_path),
            "a.onnx",
            deploy_config,
            model_config,
            str(tmp_path / "a.pth"),
            device="cpu",
        )
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx")
    images = batch()
    (given,) = session.get_inputs()
    for image in images[:, None]:
        with torch.no_grad():
            feat = model.extract_feat(image)
            samples = make_samples([""], [1.0])
            encoded = model.encoder(feat, samples) if model.with_encoder else None
            wanted = model.decoder(feat, encoded, samples).numpy()
        found = session.run(None, {given.name: image.numpy()})[0]
        if name == "SAR, sequential":  # MMDeploy's rewriter leaves softmax out
            found = torch.softmax(torch.from_numpy(found), -1).numpy()
        np.testing.assert_allclose(found, wanted, atol=1e-3)
        np.testing.assert_array_equal(found.argmax(-1), wanted.argmax(-1))

"""MMDeploy's text recognition task for recognisers of this package."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmdeploy.codebase.mmocr.deploy.mmocr import MMOCR_TASK
from mmdeploy.codebase.mmocr.deploy.text_recognition import TextRecognition
from mmdeploy.codebase.mmocr.deploy.text_recognition_model import End2EndModel
from mmdeploy.utils import Backend, get_backend, get_codebase_config, get_input_shape
from mmocr.models.textrecog.data_preprocessors import TextRecogDataPreprocessor
from mmocr.registry import MODELS
from torch import Tensor

from aocr_plugin.deploy.order import characters, sdk_order, sdk_parameters
from aocr_plugin.deploy.rewriters import NETWORK
from aocr_plugin.deploy.sdk_pipeline import sdk_transforms
from aocr_plugin.export.network import FixedStepNetwork
from aocr_plugin.runtime import openvino_runtime

PREPROCESSOR = "FixedWidthPreprocessor"


@MODELS.register_module()
class FixedWidthPreprocessor(TextRecogDataPreprocessor):
    """MMOCR's preprocessor, whose batches all have the one width of a static export.

    Args:
        width: in pixels; narrower images are padded on the right with ``pad_value``.
        **kwargs: as for ``TextRecogDataPreprocessor``.
    """

    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Normalises, stacks and pads a batch."""
        found: dict[str, Any] = super().forward(data, training)
        images = found["inputs"]
        missing = self.width - images.size(3)
        found["inputs"] = torch.nn.functional.pad(images, (0, missing), value=self.pad_value)
        return found


class ExportedModel(End2EndModel):
    """MMDeploy's runner of an exported file, with the symbols put back in our order.

    OpenVINO is run by this package: MMDeploy's wrapper imports a module that OpenVINO lost in 2024.
    """

    def _init_wrapper(self, backend: Backend, backend_files: Sequence[str], device: str) -> None:
        if backend != Backend.OPENVINO:
            super()._init_wrapper(backend, backend_files, device)
            return
        run, _ = openvino_runtime.open_model(backend_files[0], precision="fp32")
        name = self.input_name
        self.wrapper = lambda given: {"output": torch.from_numpy(run(given[name].numpy())[0])}

    def forward(self, inputs: Tensor, data_samples: Any, *args: Any, **kwargs: Any) -> Any:
        """Returns the samples with ``pred_text``.

        Args:
            inputs: [N, C, 32, W] of the data preprocessor.
            data_samples: N samples.
            *args: not used.
            **kwargs: not used.
        """
        found = self.extract_feat(inputs)
        order = torch.tensor(sdk_order(self.decoder.dictionary), device=found.device)
        return self.decoder.postprocessor(found[..., order.argsort()], data_samples)


@MMOCR_TASK.register_module("TextRecognition", force=True)
class AOCRTextRecognition(TextRecognition):
    """MMDeploy's task, for ``AOCR`` models read from a checkpoint; others as before.

    MMDeploy's own squeezes every image to a static export's width, wants a dictionary's file, and
    puts names that its SDK does not know into ``pipeline.json``.
    """

    @property
    def _ours(self) -> bool:
        return str(self.model_cfg.model.type).removeprefix("mmocr.") == "AOCR"

    def build_backend_model(
        self, model_files: Sequence[str] | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        """Returns a model that runs exported files.

        Args:
            model_files: to run.
            *args: ``inference_model`` gives one more, which MMDeploy's own method does not take.
            **kwargs: as for MMDeploy's.
        """
        kind = get_codebase_config(self.deploy_cfg).get("model_type", "end2end")
        if not self._ours or kind != "end2end":
            return super().build_backend_model(model_files, **kwargs)
        model = ExportedModel(
            backend=get_backend(self.deploy_cfg),
            backend_files=model_files,
            device=self.device,
            deploy_cfg=self.deploy_cfg,
            model_cfg=self.model_cfg,
        )
        return model.to(self.device).eval()

    def build_pytorch_model(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the recogniser; what is exported of it is built here, outside of any trace."""
        model = super().build_pytorch_model(*args, **kwargs)
        if self._ours:
            model.__dict__[NETWORK] = FixedStepNetwork(model)
        return model

    def create_input(
        self, imgs: Any, input_shape: Sequence[int] | None = None, data_preprocessor: Any = None
    ) -> Any:
        """Returns the data and the network's input for images; the width is the pipeline's."""
        return super().create_input(imgs, None if self._ours else input_shape, data_preprocessor)

    def get_preprocess(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the SDK's transforms."""
        if not self._ours:
            return super().get_preprocess(*args, **kwargs)
        shape = get_input_shape(self.deploy_cfg)
        return sdk_transforms(
            self.model_cfg.test_pipeline,
            self.model_cfg.model.data_preprocessor,
            None if shape is None else shape[0],
        )

    def get_postprocess(self, work_dir: str | None = None, **kwargs: Any) -> Any:
        """Returns the SDK's ``AttnConvertor`` and writes its dictionary."""
        if not self._ours:
            return super().get_postprocess(work_dir, **kwargs)
        from mmocr.registry import TASK_UTILS

        dictionary = TASK_UTILS.build(self.model_cfg.dictionary)
        lines = "".join(f"{character}\n" for character in characters(dictionary))
        (Path(work_dir or ".") / "dict_file.txt").write_text(lines, encoding="utf-8")
        parameters = {"dict_file": "dict_file.txt", **sdk_parameters(dictionary)}
        silent = ["padding"] if parameters["with_padding"] else []
        return {"type": "AttnConvertor", "params": {**parameters, "ignore_chars": silent}}

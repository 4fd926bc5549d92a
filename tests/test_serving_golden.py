"""The original's own weights, served: its texts and numbers come back over its own REST."""

import base64
import json

import pytest
from conftest import DATA, need

pytest.importorskip("litserve", reason="the extra [serve] is not installed")
from serving_side import ask, in_process

from aocr_plugin.cli.convert import main


@pytest.mark.slow
@pytest.mark.parity
def test_texts_and_probabilities_are_those_that_the_original_gave(tmp_path):
    folder = need(DATA / "golden" / "gru_plates")
    recorded = json.loads((folder / "outputs.json").read_text())
    pictures = need(DATA / "data" / "plates_us")
    sizes = ("--max-width", "180", "--max-height", "64", "--max-prediction", "10")
    checkpoint = tmp_path / "plates.pth"
    assert main([str(folder), str(checkpoint), *sizes]) == 0
    entries = recorded["images"]
    rows = [
        {"b64": base64.b64encode((pictures / entry["path"]).read_bytes()).decode()}
        for entry in entries
    ]
    with in_process(checkpoint, "--strict", "--name", "plates") as (_, port):
        status, answer, _ = ask(port, "POST", "/v1/models/plates:predict", {"instances": rows})
        assert status == 200
        for found, entry in zip(answer["predictions"], entries, strict=True):
            assert found["output"] == entry["prediction"]
            assert found["probability"] == pytest.approx(entry["probability"], abs=1e-4)
        column = {"signature_name": "serving_default", "inputs": {"input": rows[0]}}
        outputs = ask(port, "POST", "/v1/models/plates:predict", column)[1]["outputs"]
        assert outputs["output"] == entries[0]["prediction"]
        assert outputs["probability"] == pytest.approx(entries[0]["probability"], abs=1e-4)

_base_ = ["_base_/text-recognition_dynamic.py", "_base_/backends/openvino.py"]

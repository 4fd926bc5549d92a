_base_ = [
    "_base_/text-recognition.py",
    "_base_/torchscript_config.py",
    "_base_/backends/torchscript.py",
]

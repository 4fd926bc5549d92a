codebase_config = dict(type="mmocr", task="TextRecognition", module=["aocr_plugin.deploy"])

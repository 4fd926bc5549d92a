# make demo: everything, from nothing but Python 3.11 and make. make test: every check.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready

.PHONY: demo test lint types unit slow install doctor clean

demo: $(READY)
	$(RUN) tools/demo.py

test: lint types unit slow

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(READY)
	$(VENV)/bin/mypy

unit: $(READY)
	$(RUN) -m pytest -m 'not slow' --numprocesses 2 --dist loadfile

# two at a time, as most of them wait; once more where a busy machine was too slow for a time limit
slow: $(READY)
	$(RUN) -m pytest -m slow --numprocesses 2 --dist loadfile --reruns 1

install: $(READY)

doctor: $(READY)
	$(RUN) tools/doctor.py

$(READY): setup.py constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet -c constraints.txt 'setuptools<81' wheel
	$(RUN) -m pip install --quiet --no-build-isolation -c constraints.txt -e '.[cpu,demo,test]'
	# without what they ask for: MMDeploy pins protobuf 3.20.2, which is not TensorFlow's (both work
	# with 4.25), mim old versions of setuptools and others, Triton's client an old greenlet
	$(RUN) -m pip install --quiet --no-deps -c constraints.txt mmdeploy mmdeploy-runtime \
		openmim model-index colorama tabulate ordered-set \
		tritonclient geventhttpclient gevent greenlet zope.event zope.interface python-rapidjson brotli
	@touch $@

clean:
	rm -rf $(VENV) demo build dist *.egg-info

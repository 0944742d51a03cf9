# Everything a stranger needs: `make demo` shows the main job, `make test` proves the project. Both set up .venv first.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help setup picture demo test browser lint docs bench timed fuzz diagnosis wheel smoke clean

help:
	@echo "make setup   .venv with everything, at the tested versions; the targets below do it by themselves"
	@echo "make demo    set up, then verify the mapping between Keras and PyTorch; ends with a page to open"
	@echo "make test    set up, then ruff, mypy, the documentation and every test"
	@echo "make docs    set up, then the documentation as pages: build/docs/index.html"
	@echo "make picture docs/page.png again, in chromium: of RESULTS=results.json, or of some cases that it verifies"
	@echo "make bench   set up, then time Keras, PyTorch and this program, beside the goals (about 8 minutes)"
	@echo "make timed   set up, then time the same by pytest-benchmark, which keeps every run and compares it with the last"
	@echo "make fuzz    set up, then read 20000 damaged files of every kind; FILES and SEED change that"
	@echo "make guided  set up, then fuzz every reader by what it reaches, with atheris; SECONDS changes how long each"
	@echo "make hostile set up, then put every hostile file through inspect and port, watched from outside"
	@echo "make mutants set up, then plant errors in the mapping's code and see that tests fail; PATHS are some files of it"
	@echo "make diagnosis set up, then count how often the diagnosis is right; PAIRS and SEED change what is tried"
	@echo "make smoke   set up, build the wheel and try it in an environment without any framework"
	@echo "make clean   remove what the targets above made, .venv included"

# Set-up runs again only when what it depends on has changed.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name it: make PYTHON=python3.12 …")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[all,test,docs]'
	@touch $@

setup: $(READY)
	@echo "ready: . $(BIN)/activate, then lstm-parity port YOUR_MODEL -o ported"

demo: $(READY)
	$(BIN)/lstm-parity verify -o parity-report

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/mypy

# Where the package can be installed it is; elsewhere the tests of the page in a browser are skipped and say so.
browser:
	@command -v chromium chromium-browser google-chrome >/dev/null \
	|| { test "$$(id -u)" = 0 && apt-get install -y -qq chromium >/dev/null 2>&1; } \
	|| echo "no chromium: the tests of the page in a browser will be skipped"

docs: $(READY)
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs build/docs

picture: $(READY) browser
	$(BIN)/python docs/picture.py docs/page.png $(RESULTS)

# The examples in the pages run with the tests.
test: lint browser docs
	$(BIN)/pytest --numprocesses 2 --dist loadfile

# Everything that is asked of its speed, beside the goals. Results stay: --compare says what got slower since.
bench: $(READY)
	$(BIN)/lstm-parity bench --suite all -o bench-report

# The same jobs by pytest-benchmark: kept in .benchmarks, and beside the last run of this environment.
timed: $(READY)
	$(BIN)/pytest tests/bench --benchmark-only --benchmark-autosave --benchmark-compare

fuzz: $(READY)
	$(BIN)/python tests/hostile/fuzz.py --files $(or $(FILES),20000) --seed $(or $(SEED),1)

guided: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[fuzz]'
	for target in configuration h5 'h5 weights' 'keras zip' safetensors pt checkpoint report; do \
	$(BIN)/python tests/hostile/guided.py "$$target" --seconds $(or $(SECONDS),600) || exit 1; done

hostile: $(READY)
	$(BIN)/python tests/hostile/tried.py $(if $(shell command -v strace),--traced)

# How often the diagnosis names what was planted, and how long a layer of 256 units takes it.
diagnosis: $(READY)
	$(BIN)/python -m harness.diagnosis.tally $(or $(PAIRS),60) $(or $(SEED),0)

wheel: $(READY)
	rm -rf dist
	$(BIN)/python -m build --no-isolation --wheel --outdir dist .

smoke: wheel
	PYTHON=$(BIN)/python sh .ci/smoke dist/*.whl

# Deliberate errors in the mapping and in the judge, each of which some test must see; PATHS="weight_mapping/packing.py …"
# runs those of some files. Nice, for it takes half an hour or more.
mutants: $(READY)
	$(if $(PATHS),,rm -rf mutants)
	nice $(BIN)/python tests/mutation/gate.py --children $(or $(CHILDREN),1) $(PATHS)

clean:
	rm -rf mutants .venv build dist parity-report bench-report .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks

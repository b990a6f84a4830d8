# Two commands do everything: `make demo` shows the main job, `make test` passes the tests. Each installs what it needs.
SHELL := /bin/bash
# One target folder for every checkout: a fresh clone reuses the compiled dependencies.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/streembit/target
BIN = $(CARGO_TARGET_DIR)/debug

.PHONY: help setup build demo network test test-long crash crash-node fuzz lint docs bench bench-log bench-sha bench-evidence bench-chain bench-scale weights clean

help:
	@echo "make demo   set up, build, and watch a car's odometer become an anchored, audited event (KEEP=1: leave it running)"
	@echo "make network  set up, build, and run a consortium of four validators on this machine until Ctrl-C"
	@echo "make test   set up, build, and run every test"
	@echo "make test-long  set up, build, and run the tests that take minutes each: partitions, wrong clocks, floods, a lost network, a year of contracts"
	@echo "make build  set up and build the binaries into $(BIN)"
	@echo "make crash  break a gateway in every way and count what is lost (CYCLES=100, SEED=random; all faults as root)"
	@echo "make crash-node  break the database of one of four validators in every way, and count how it comes back (CYCLES=200)"
	@echo "make fuzz   fuzz every decoder of foreign bytes (MINUTES=10 each, TARGETS='tlog evidence')"
	@echo "make lint   formatting, clippy, documentation, arrows between crates, licences, links"
	@echo "make docs   check the documents and build the book into $(CARGO_TARGET_DIR)/book"
	@echo "make bench  measure what docs/benchmarks.md reports"
	@echo "make weights  measure what the chain's calls weigh, and write it into the runtime (docs/weights.md)"
	@echo "make bench-log  measure the log: beside its ceiling, side by side with others, with 10,000,000 events"
	@echo "make bench-sha  measure hashing and ingest with and without the SHA instructions of the processor"
	@echo "make bench-evidence  measure evidence: the size of one event, and the time to verify it; 1,000,000 events (EVENTS=n)"
	@echo "make bench-scale  measure four validators whose state has many gateways, devices and contracts (SCALE='gateways=100 devices=1000')"
	@echo "make bench-chain  measure four validators in release: idle (MINUTES=30), an anchor's way, anchors a second"

setup:
	@.ci/setup

build: setup
	@.ci/build

demo: build
	@$(BIN)/streembit-demo

network: build
	@exec $(BIN)/streembit-network

test: build
	@.ci/setup --tests
	cargo test --workspace

test-long: build
	@.ci/setup --long-tests
	cargo test --workspace --test e2e -- --ignored
	cargo test -p pallet-service-contracts --lib -- --ignored --nocapture

crash: CYCLES ?= 100
crash-node: CYCLES ?= 200
SEED ?= $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')

crash: build
	@.ci/setup --crash
	@$(BIN)/streembit-crash --cycles $(CYCLES) --seed $(SEED) $(if $(ONLY),--only '$(ONLY)')

crash-node: build
	@.ci/setup --crash
	@$(BIN)/streembit-crash --subject node --cycles $(CYCLES) --seed $(SEED) $(if $(ONLY),--only '$(ONLY)')

TARGETS ?=

fuzz: MINUTES = 10
fuzz: build
	@.ci/setup --fuzz
	@tests/fuzz/run $(MINUTES) $(TARGETS)

lint: setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
	.ci/arrows
	.ci/deny
	.ci/docs

docs:
	.ci/docs build

bench: build
	.ci/setup --tests
	$(BIN)/streembit-bench-log ingest
	$(BIN)/streembit-bench-gateway

bench-log: build
	tests/log-comparison/setup
	$(BIN)/streembit-bench-log ingest
	$(BIN)/streembit-bench-log compare
	$(BIN)/streembit-bench-log large

# The programs with both builds of SHA-256 are copied beside each other, and then measured in turn.
SHA = $(CARGO_TARGET_DIR)/sha
ROUNDS ?= 2

bench-sha: build
	mkdir -p $(SHA)
	cp $(BIN)/streembit-bench-log $(SHA)/instructions
	cargo build --workspace --bin streembit-bench-log --features streembit-tests/software-sha256
	cp $(BIN)/streembit-bench-log $(SHA)/software
	cargo build --workspace --bin streembit-bench-log
	for round in $$(seq $(ROUNDS)); do \
	  for build in instructions software; do \
	    echo "== round $$round, $$build"; $(SHA)/$$build ingest || exit; \
	  done; \
	done
	cargo bench --profile dev -p streembit-primitives --bench tree
	cargo bench --profile dev -p streembit-primitives --bench tree --features software-sha256

EVENTS ?= 1000000

bench-evidence: setup
	cargo bench --profile dev -p streembit -p streembit-node -p streembit-evidence --bench evidence -- $(EVENTS)

# Both build the same packages, so that they share most of what is compiled.
RELEASE = cargo build --release -p streembit -p streembit-node -p streembit-tests --bin streembit-node

weights: setup
	$(RELEASE) --features streembit-node/runtime-benchmarks
	$(CARGO_TARGET_DIR)/release/streembit-node benchmark

MINUTES ?= 30

bench-chain: setup
	$(RELEASE) --bin streembit --bin streembit-bench-chain
	$(CARGO_TARGET_DIR)/release/streembit-bench-chain $(MINUTES)

# What the arguments mean is at the beginning of tests/src/bin/bench_scale.rs.
SCALE ?=

bench-scale: setup
	$(RELEASE) --bin streembit-bench-scale -p streembit-chain-spec --example scale_spec
	$(CARGO_TARGET_DIR)/release/streembit-bench-scale $(SCALE)

clean:
	cargo clean

# make          lists the targets
# make cluster  builds everything and creates a Kubernetes cluster whose node is Ready
# make test     runs the tests that a change must pass

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help cluster test test-quick nightly announce build deps node-image unit e2e machines chaos bench conformance walkthrough docs fuzz lint clean

MKUBE := bin/mkube
# mkube itself reads the same variable.
CLUSTER := $(or $(MKUBE_CLUSTER_NAME),mkube)
# All packages except the root package. That package and its imports are tested only as part of the
# node image.
CCM_TESTED := ./addresses ./cloud ./heartbeat ./link ./speaker ./view
# The time that fuzz spends on each target.
FUZZTIME ?= 20s
# RUN is a regular expression of the names of the tests on real clusters to run. The tag nightly
# adds the tests that take longer.
RUN ?=
TAGS ?= e2e
# VM=1 also tests virtual machines, as root. It is the default for root in CI.
VM ?= $(if $(CI),$(if $(filter 0,$(shell id -u)),1))
export VM
# More flags for the bench, as in: make bench BENCH="--runs 2 --check all"
BENCH ?=
# Chaos: ROUNDS is how often a command or the engine is killed. SEED chooses the rounds: the seed
# of another run repeats its rounds. ONLY chooses the kinds of rounds by name (a regular expression).
ROUNDS ?= 100
SEED ?=
ONLY ?=
# Conformance: FOCUS chooses specs by name (a regular expression), and LABELS by label
# ('Conformance && !Serial'). ATTEMPTS is how often a spec is tried until it passes. KEEP=1 keeps
# the cluster for the next run.
FOCUS ?=
LABELS ?= Conformance
ATTEMPTS ?= 1
KEEP ?=

##@ General

help: ## list the targets
	@awk -F ':.*## ' '/^##@ / { print "\n" substr($$0, 5) } /^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Build and use

cluster: node-image ## create a cluster; installs and builds everything that it needs
	@if $(MKUBE) get clusters 2>/dev/null | grep -qxF '$(CLUSTER)'; then \
		echo 'Cluster "$(CLUSTER)" exists already. Try it: $(MKUBE) kubectl --name $(CLUSTER) -- get pods -A'; \
		echo 'To begin anew: $(MKUBE) delete cluster --name $(CLUSTER)'; \
	else \
		$(MKUBE) create cluster --name '$(CLUSTER)'; \
	fi

build: ## build bin/mkube
	@command -v go >/dev/null || { echo 'Go is not installed: see https://go.dev/doc/install' >&2; exit 1; }
	CGO_ENABLED=0 go build -trimpath -o $(MKUBE) ./cmd/mkube

# Not in help, because cluster, node-image, e2e and bench include it.
deps: build
	@.ci/deps $(MKUBE)

node-image: deps ## build the node image; its parts are cached in ~/.cache/mkube
	$(MKUBE) build node-image

clean: ## remove bin and coverage; clusters, the image and the cache stay
	rm -rf bin coverage.out

##@ Test a change

lint: bin/golangci-lint bin/actionlint ## gofmt, go vet, go mod tidy, golangci-lint, actionlint
	@unformatted=$$(gofmt -l cmd docs e2e images internal node-image pkg); [ -z "$$unformatted" ] || { echo "gofmt -w $$unformatted" >&2; exit 1; }
	go vet ./...
	go vet -tags e2e,nightly,chaos ./...
	go mod tidy -diff
	bin/golangci-lint run
	bin/actionlint

# Each tool has its own module, so that its versions do not affect those of the other.
bin/golangci-lint bin/actionlint: bin/%: .ci/tools/%/go.mod .ci/tools/%/go.sum
	CGO_ENABLED=0 go -C .ci/tools/$* build -trimpath -ldflags '-s -w' -o $(abspath bin)/ tool
	@touch $@

# The race detector needs cgo, and cgo needs a C compiler.
unit: export CGO_ENABLED = 1
unit: ## run the tests that need no cluster, with the race detector
	@.ci/deps --only gcc
	go test -race -timeout 5m ./cmd/... ./docs/... ./internal/... ./pkg/...
	go -C images/cloud-controller-manager test -race -timeout 5m $(CCM_TESTED)
	go -C images/network-policies test -race -timeout 5m ./...
	go -C node-image/mkube-node test -race -timeout 5m ./...
	go -C node-image/pause test -race -timeout 5m ./...
	go -C node-image/containerd test -race -timeout 5m ./preload

# Without the race detector, and with one cluster.
test-quick: node-image bin/runner ## run unit tests and one test on a cluster, in under 2 minutes
	go test ./cmd/... ./docs/... ./internal/... ./pkg/...
	bin/runner -tags e2e -run '^TestStorage$$' -parallel 1 -timeout 10m ./e2e/...

# Not in help. It prints which packages the tests install.
announce:
	@.ci/machines '$(VM)'

# Two tests run at the same time, because they mostly wait. The tests of the one binary are built
# with the same flags as the binary, so that they reuse what the node image has compiled.
e2e: announce node-image bin/runner ## run the tests on real clusters; RUN=TestStorage runs one
	@.ci/deps $(MKUBE) tmux
	@[ '$(VM)' != 1 ] || .ci/machines install
	CGO_ENABLED=0 GOWORK=off GOFLAGS=-buildvcs=false go -C node-image/kubernetes test -vet=off -trimpath -ldflags '-s -w' .
	bin/runner -tags $(TAGS) -run '$(value RUN)' -parallel 2 -timeout 90m ./pkg/provider/docker ./e2e/...

# A binary, so that no process is between make and the runner, which passes signals on to the tests.
bin/runner: $(wildcard e2e/runner/*.go)
	go build -o $@ ./e2e/runner

test: announce unit e2e ## run unit and e2e, in about 15 minutes; VM=1 adds virtual machines

##@ Test at length

nightly: ## run all of e2e, machines, conformance and chaos, for hours
	@MAKE='$(MAKE)' .ci/nightly

machines: build bin/runner ## run the tests of virtual machines, as root; installs Vagrant, libvirt and QEMU
	@.ci/machines install
	VM=1 bin/runner -tags e2e,nightly -run '$(or $(value RUN),^Test(VagrantProvider|VirtualMachines)$$)' -parallel 1 -timeout 70m ./e2e

# It uses a separate engine in a separate network namespace.
chaos: node-image ## kill commands and the engine at random moments, ROUNDS=100 times, as root
	go test -tags e2e,chaos -count=1 -timeout 180m -run '^TestChaos$$' -v ./e2e -rounds $(ROUNDS) $(if $(SEED),-seed $(SEED)) $(if $(ONLY),-only '$(ONLY)')

conformance: node-image ## run Kubernetes' conformance suite on two nodes, or the specs of FOCUS='...'
	go run ./e2e/conformance --mkube $(MKUBE) --labels '$(LABELS)' --focus '$(FOCUS)' --attempts $(ATTEMPTS) $(if $(KEEP),--keep)

# go test accepts one fuzz target at a time. Without -fuzzminimizetime, it spends a minute on
# minimizing an input with a coverage that differs from run to run, for example because of new keys.
fuzz: ## run each fuzz test for FUZZTIME (20s)
	@grep -rl --include='*_test.go' '^func Fuzz' pkg | while read -r file; do \
		sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file" | while read -r target; do \
			echo "$$target ($$(dirname "$$file"))"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "./$$(dirname "$$file")" </dev/null || exit 1; \
		done || exit 1; \
	done

bench: node-image ## measure: create, delete, sizes, an idle node
	go run ./e2e/bench --mkube $(MKUBE) $(BENCH)

##@ Documentation

docs: ## regenerate the command reference, the schema and the pictures
	go test ./pkg/cli -run '^TestReference$$' -update
	go test ./docs -run '^Test(Schema|PictureOf.*|Walkthrough)$$' -update

# It runs the commands on a real cluster, which it deletes again.
walkthrough: node-image ## regenerate docs/walkthrough.md
	$(MKUBE) delete cluster --name tour
	$(MKUBE) tour --non-interactive --record docs/walkthrough/recorded.json
	$(MKUBE) delete cluster --name tour
	go test ./docs -run '^TestWalkthrough$$' -update

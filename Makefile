# make          shows the targets
# make cluster  from nothing to a Kubernetes cluster whose node is Ready
# make test     the tests that a change must pass

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help cluster test test-quick nightly announce build deps node-image unit e2e machines chaos bench conformance walkthrough docs fuzz lint clean

MKUBE := bin/mkube
# The same variable names the cluster for mkube itself.
CLUSTER := $(or $(MKUBE_CLUSTER_NAME),mkube)
# All but the module's main package: with what that imports, its test is the node image.
CCM_TESTED := ./addresses ./cloud ./heartbeat ./link ./speaker ./view
# How long fuzz spends on each target.
FUZZTIME ?= 20s
# Which of the tests on real clusters, by a regular expression of their names; the tag nightly
# adds those that take longer.
RUN ?=
TAGS ?= e2e
# VM=1 tests virtual machines too, as root. In CI root need not ask.
VM ?= $(if $(CI),$(if $(filter 0,$(shell id -u)),1))
export VM
# More for the bench, as in: make bench BENCH="--runs 2 --check all"
BENCH ?=
# Chaos: how many commands or engines are killed, and by what the rounds are chosen, to have
# those of another run again.
ROUNDS ?= 100
SEED ?=
# Conformance: which specs by their names (a regular expression) and by their labels
# ('Conformance && !Serial'), how often a spec is tried until it passes, and KEEP=1 to leave
# the cluster for the next run.
FOCUS ?=
LABELS ?= Conformance
ATTEMPTS ?= 1
KEEP ?=

##@ General

help: ## show this list
	@awk -F ':.*## ' '/^##@ / { print "\n" substr($$0, 5) } /^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Build and use

cluster: node-image ## create a cluster, installing and building all that it takes
	@if $(MKUBE) get clusters 2>/dev/null | grep -qxF '$(CLUSTER)'; then \
		echo 'Cluster "$(CLUSTER)" exists already. Try it: $(MKUBE) kubectl --name $(CLUSTER) -- get pods -A'; \
		echo 'To begin anew: $(MKUBE) delete cluster --name $(CLUSTER)'; \
	else \
		$(MKUBE) create cluster --name '$(CLUSTER)'; \
	fi

build: ## build bin/mkube
	@command -v go >/dev/null || { echo 'Go is not installed: see https://go.dev/doc/install' >&2; exit 1; }
	CGO_ENABLED=0 go build -trimpath -o $(MKUBE) ./cmd/mkube

# Not in help: what it does is part of cluster, node-image, e2e and bench.
deps: build
	@.ci/deps $(MKUBE)

node-image: deps ## build the node image, of parts that are cached in ~/.cache/mkube
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

# A module each: their versions would drag one another.
bin/golangci-lint bin/actionlint: bin/%: .ci/tools/%/go.mod .ci/tools/%/go.sum
	CGO_ENABLED=0 go -C .ci/tools/$* build -trimpath -ldflags '-s -w' -o $(abspath bin)/ tool
	@touch $@

# The race detector needs cgo, and so a C compiler.
unit: export CGO_ENABLED = 1
unit: ## the tests that need no cluster, with the race detector
	@.ci/deps --only gcc
	go test -race -timeout 5m ./cmd/... ./docs/... ./internal/... ./pkg/...
	go -C images/cloud-controller-manager test -race -timeout 5m $(CCM_TESTED)
	go -C images/network-policies test -race -timeout 5m ./...
	go -C node-image/mkube-node test -race -timeout 5m ./...
	go -C node-image/pause test -race -timeout 5m ./...
	go -C node-image/containerd test -race -timeout 5m ./preload

# Without the race detector, and with one cluster.
test-quick: node-image bin/runner ## unit tests, and a cluster that is created and used, in under 2 minutes
	go test ./cmd/... ./docs/... ./internal/... ./pkg/...
	bin/runner -tags e2e -run '^TestStorage$$' -parallel 1 -timeout 10m ./e2e/...

# Not in help: what the tests would install.
announce:
	@.ci/machines '$(VM)'

# Two tests at a time: they wait more than they work. The tests of the one binary are built
# as it is, of what the node image has compiled already.
e2e: announce node-image bin/runner ## the tests on real clusters; RUN=TestStorage runs one
	@.ci/deps $(MKUBE) tmux
	@[ '$(VM)' != 1 ] || .ci/machines install
	CGO_ENABLED=0 GOWORK=off GOFLAGS=-buildvcs=false go -C node-image/kubernetes test -vet=off -trimpath -ldflags '-s -w' .
	bin/runner -tags $(TAGS) -run '$(value RUN)' -parallel 2 -timeout 90m ./pkg/provider/docker ./e2e/...

# No process between make and the runner, which passes signals on to the tests.
bin/runner: $(wildcard e2e/runner/*.go)
	go build -o $@ ./e2e/runner

test: announce unit e2e ## unit and e2e, in about 15 minutes; VM=1 adds virtual machines

##@ Test at length

nightly: ## what takes hours: all of e2e, machines, conformance, chaos
	@MAKE='$(MAKE)' .ci/nightly

machines: build bin/runner ## the tests of virtual machines, as root; installs Vagrant, libvirt and QEMU
	@.ci/machines install
	VM=1 bin/runner -tags e2e,nightly -run '$(or $(value RUN),^Test(VagrantProvider|VirtualMachines)$$)' -parallel 1 -timeout 70m ./e2e

# On an engine of its own, in a network namespace of its own.
chaos: node-image ## kill commands and the engine at random moments, ROUNDS=100 times, as root
	go test -tags e2e,chaos -count=1 -timeout 180m -run '^TestChaos$$' -v ./e2e -rounds $(ROUNDS) $(if $(SEED),-seed $(SEED))

conformance: node-image ## Kubernetes' conformance suite on two nodes, or FOCUS='...' of it
	go run ./e2e/conformance --mkube $(MKUBE) --labels '$(LABELS)' --focus '$(FOCUS)' --attempts $(ATTEMPTS) $(if $(KEEP),--keep)

# go test takes one fuzz target at a time. It would spend a minute on making an input smaller
# whose coverage differs from run to run, as with keys that are made anew.
fuzz: ## each fuzz test for FUZZTIME (20s)
	@grep -rl --include='*_test.go' '^func Fuzz' pkg | while read -r file; do \
		sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file" | while read -r target; do \
			echo "$$target ($$(dirname "$$file"))"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "./$$(dirname "$$file")" </dev/null || exit 1; \
		done || exit 1; \
	done

bench: node-image ## measure: create, delete, sizes, an idle node
	go run ./e2e/bench --mkube $(MKUBE) $(BENCH)

##@ Documentation

docs: ## make the command reference, the schema and the pictures anew
	go test ./pkg/cli -run '^TestReference$$' -update
	go test ./docs -run '^Test(Schema|PictureOfTheGraph|Walkthrough)$$' -update

# Its commands are run on a real cluster, which is taken away again.
walkthrough: node-image ## make docs/walkthrough.md anew
	$(MKUBE) delete cluster --name tour
	$(MKUBE) tour --non-interactive --record docs/walkthrough/recorded.json
	$(MKUBE) delete cluster --name tour
	go test ./docs -run '^TestWalkthrough$$' -update

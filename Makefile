# make          shows the targets
# make cluster  from nothing to a Kubernetes cluster whose node is Ready
# make test     all tests

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help cluster test build deps node-image unit e2e machines bench conformance walkthrough fuzz lint clean

MKUBE := bin/mkube
# The same variable names the cluster for mkube itself.
CLUSTER := $(or $(MKUBE_CLUSTER_NAME),mkube)
# All but the module's main package: with what that imports, its test is the node image.
CCM_TESTED := ./addresses ./cloud ./heartbeat ./link ./speaker ./view
# How long fuzz spends on each target.
FUZZTIME ?= 20s
# More for the bench, as in: make bench BENCH="--runs 2 --check all"
BENCH ?=
# Conformance: which specs by their names (a regular expression) and by their labels
# ('Conformance && !Serial'), how often a spec is tried until it passes, and KEEP=1 to leave
# the cluster for the next run.
FOCUS ?=
LABELS ?= Conformance
ATTEMPTS ?= 1
KEEP ?=

help: ## show this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS='	' read -r name what; do printf 'make %-11s %s\n' "$$name" "$$what"; done

cluster: node-image ## create a cluster, installing and building all that it takes
	@if $(MKUBE) get clusters 2>/dev/null | grep -qxF '$(CLUSTER)'; then \
		echo 'Cluster "$(CLUSTER)" exists already. Try it: $(MKUBE) kubectl --name $(CLUSTER) -- get pods -A'; \
		echo 'To begin anew: $(MKUBE) delete cluster --name $(CLUSTER)'; \
	else \
		$(MKUBE) create cluster --name '$(CLUSTER)'; \
	fi

test: unit e2e ## all tests: unit and e2e

build: ## build bin/mkube
	@command -v go >/dev/null || { echo 'Go is not installed: see https://go.dev/doc/install' >&2; exit 1; }
	CGO_ENABLED=0 go build -trimpath -o $(MKUBE) ./cmd/mkube

# Not in help: what it does is part of cluster, node-image, e2e and bench.
deps: build
	@.ci/deps $(MKUBE)

node-image: deps ## build the node image, of parts that are cached in ~/.cache/mkube
	$(MKUBE) build node-image

unit: ## the tests that need no cluster, in seconds
	go test -timeout 2m ./cmd/... ./docs/... ./pkg/...
	go -C images/cloud-controller-manager test -timeout 2m $(CCM_TESTED)
	go -C images/network-policies test -timeout 2m ./...

# Two clusters at once: they wait more than they work.
e2e: node-image ## the tests on real clusters
	@.ci/deps $(MKUBE) tmux
	go test -tags e2e -count=1 -p 1 -parallel 2 -timeout 90m ./pkg/provider/docker ./e2e/...

# Beside e2e, which makes a cluster of machines. It needs no node image.
machines: build ## the vagrant provider on real virtual machines, as root
	go test -tags e2e,machines -count=1 -timeout 30m -run '^TestVagrantProvider$$' -v ./e2e

bench: node-image ## measure: create, delete, sizes, an idle node
	go run ./e2e/bench --mkube $(MKUBE) $(BENCH)

conformance: node-image ## Kubernetes' conformance suite on two nodes, or FOCUS='...' of it
	go run ./e2e/conformance --mkube $(MKUBE) --labels '$(LABELS)' --focus '$(FOCUS)' --attempts $(ATTEMPTS) $(if $(KEEP),--keep)

# Its commands are run on a real cluster, which is taken away again.
walkthrough: node-image ## make docs/walkthrough.md anew
	$(MKUBE) delete cluster --name tour
	$(MKUBE) tour --non-interactive --record docs/walkthrough/recorded.json
	$(MKUBE) delete cluster --name tour
	go test ./docs -run '^TestWalkthrough$$' -update

# go test takes one fuzz target at a time.
fuzz: ## each fuzz test for FUZZTIME (20s)
	@grep -rl --include='*_test.go' '^func Fuzz' pkg | while read -r file; do \
		sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file" | while read -r target; do \
			echo "$$target ($$(dirname "$$file"))"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "./$$(dirname "$$file")" </dev/null || exit 1; \
		done || exit 1; \
	done

lint: bin/golangci-lint bin/actionlint ## gofmt, go vet, golangci-lint, actionlint
	@unformatted=$$(gofmt -l cmd docs e2e images node-image pkg); [ -z "$$unformatted" ] || { echo "gofmt -w $$unformatted" >&2; exit 1; }
	go vet ./...
	go vet -tags e2e,machines ./e2e/...
	bin/golangci-lint run
	bin/actionlint

# A module each: their versions would drag one another.
bin/golangci-lint bin/actionlint: bin/%: .ci/tools/%/go.mod .ci/tools/%/go.sum
	CGO_ENABLED=0 go -C .ci/tools/$* build -trimpath -ldflags '-s -w' -o $(abspath bin)/ tool
	@touch $@

clean: ## remove bin and coverage; clusters, the image and the cache stay
	rm -rf bin coverage.out

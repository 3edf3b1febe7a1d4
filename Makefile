# Everything that is done with this repository, by name. `make help` lists it.

GO       ?= go
LINT     ?= $(GO) tool -modfile=tools/go.mod golangci-lint
FUZZTIME ?= 30s
SOAK     ?= 10m

.DEFAULT_GOAL := help
.PHONY: help build check fmt vet fix lint race test demo bench fuzz soak

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-7s %s\n", $$1, $$2}'

build: ## build bin/parley, without cgo
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/parley ./cmd/parley

check: fmt vet fix lint race ## all that a change must pass: fmt, vet, fix, lint, race

fmt: ## fail on files that gofmt would change
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "not gofmt:"; echo "$$out"; exit 1; fi

vet: ## go vet
	$(GO) vet ./...

fix: ## fail on what go fix would modernize
	@out=$$($(GO) fix -diff ./... 2>&1); if [ -n "$$out" ]; then echo "$$out"; exit 1; fi

lint: ## golangci-lint, pinned in tools/go.mod (the first run builds it)
	$(LINT) run ./...

race: ## every test under the race detector (needs gcc)
	CGO_ENABLED=1 $(GO) test -race -p 1 -timeout 30m ./...

test: ## every test, without cgo; installs the SIP peers that are missing
	./test.sh

demo: ## a conference of three phones on this machine, shown live; exits 0 only if all was right
	CGO_ENABLED=0 $(GO) run ./cmd/parley demo

bench: build ## what it costs, beside a bare reflector and the peers: sound, calls, commits (bench-*.json)
	$(GO) run ./internal/mediabench -json bench-media.json
	$(GO) run ./internal/callbench -parley bin/parley -json bench-calls.json
	$(GO) test -run '^$$' -bench Commit -benchmem ./internal/ledger

fuzz: ## every fuzz target in the tree, one after the other, FUZZTIME=30s each
	@grep -rno --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . \
	| sed -E 's#^(.*)/[^/]+:[0-9]+:func (.*)#\1 \2#' | sort -u \
	| while read -r dir name; do \
		echo "== $$dir $$name"; \
		$(GO) test "$$dir" -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x </dev/null || exit 1; \
	done

soak: ## load for SOAK=10m, watching for growth
	PARLEY_SOAK=$(SOAK) $(GO) test -run Soak -timeout 0 -v ./...

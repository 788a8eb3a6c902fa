# make help lists what there is.
GO ?= go
# One static program; and no question to a version control system that may not be there.
export CGO_ENABLED = 0
export GOFLAGS += -buildvcs=false

LINT_VERSION := v2.15.0
LINT := bin/tools/golangci-lint-$(LINT_VERSION)
ASSETS := static/dist/manifest.json
ASSET_SOURCES := package.json package-lock.json $(shell find static views -type f \( -name '*.css' -o -name '*.js' -o -name '*.mjs' -o -name '*.svg' -o -name '*.templ' \) -not -path 'static/dist/*')
GO_SOURCES := go.mod go.sum $(shell find cmd engine handlers migrations models static views web -type f \( -name '*.go' -o -name '*.sql' -o -name '*.yaml' \) -not -name '*_test.go' 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help run test go-test client-test race soak bench build assets gen fmt lint check setup clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## build Postern and start the demo: everything on this machine, nothing to configure
	@scripts/setup.sh run
	@$(MAKE) --no-print-directory build
	bin/postern demo

test: ## everything that CI runs
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory build
	@$(MAKE) --no-print-directory check client-test
	@$(MAKE) --no-print-directory go-test

go-test: $(ASSETS) ## the Go tests alone: unit, store, conformance, browser
	$(GO) test -timeout 40m ./...

client-test: bin/postern ## the upstream SDK as a client
	@node test/client/run.mjs

race: $(ASSETS) ## the Go tests under the race detector (needs a C compiler; takes long)
	CGO_ENABLED=1 $(GO) test -race -timeout 30m ./...

soak: $(ASSETS) ## the fault tests in full: 200 kills, restarts of Postgres, bad networks; seeds are printed (takes half an hour)
	POSTERN_SOAK=1 $(GO) test -count=1 -v -timeout 120m -run 'TestKill|TestPostgresRestarts|TestBadNetworks' ./engine/webhooks ./handlers/inbound

bench: bin/postern ## the load figures of the README, measured on this machine
	bin/postern bench

build: bin/postern ## bin/postern, the one program

bin/postern: $(ASSETS) $(GO_SOURCES)
	$(GO) build -trimpath -o $@ ./cmd/postern

assets: $(ASSETS) ## static/dist, from static/ and the class names in views/

$(ASSETS): $(ASSET_SOURCES)
	@scripts/setup.sh assets
	npm run --silent build

gen: ## what is generated and committed: *_templ.go, README's table of settings
	$(GO) tool templ generate -path views
	$(GO) test ./cmd/postern -count=1 -run TestREADMEListsEverySetting -update

fmt: ## format Go and templ sources
	gofmt -w $(shell find . -name '*.go' -not -name '*_templ.go' -not -path './node_modules/*')
	$(GO) tool templ fmt views

lint: $(LINT) $(ASSETS) ## format and linters
	@$(LINT) fmt --diff; format=$$?; $(LINT) run ./... && exit $$format

check: ## quick look before a commit: generated code, format, linters
	@GO="$(GO)" scripts/gen-check.sh
	@$(MAKE) --no-print-directory lint

setup: ## install what is missing on this machine
	@scripts/setup.sh test

$(LINT):
	@echo "setup: compiling golangci-lint $(LINT_VERSION) (once, a minute or two)"
	@mkdir -p bin/tools
	@cd bin/tools && GOFLAGS= GOBIN="$(CURDIR)/bin/tools/new" $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	@mv bin/tools/new/golangci-lint $@ && rmdir bin/tools/new

clean: ## remove what was built (the demo's data in .postern stays)
	rm -rf bin static/dist/* artifacts

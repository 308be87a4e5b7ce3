# Everything that a change must pass, as one command each.

GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
BIN := $(CURDIR)/bin

.PHONY: build demo test check lint generate generated lint-openapi lint-powershell interop fuzz clean

build: ## the gateway, as ./bin/postern
	go build -trimpath -o $(BIN)/postern ./cmd/postern

demo: ## the self-contained tour
	go run ./cmd/postern demo

test: ## every test, with the race detector and in another order each time
	go test -race -shuffle=on ./...

check: lint generated lint-openapi lint-powershell ## what is not a test: linters, generated files, the API's document

# golangci-lint runs gofumpt, vet, staticcheck and the rest of .golangci.yml;
# the import rules are a test (cmd/archtest). govulncheck needs a database that
# is not reachable everywhere, so it is for those who can reach it.
lint: $(BIN)/golangci-lint
	$(BIN)/golangci-lint run --allow-parallel-runners ./...

$(BIN)/golangci-lint:
	GOBIN=$(BIN) go install $(GOLANGCI)

generate: ## the OpenAPI document, from the handlers' comments
	scripts/generate.sh

generated: generate
	git diff --exit-code -- openapi

lint-openapi:
	scripts/lint-openapi.sh

lint-powershell: ## parsed and held to vectors; it cannot be run here
	scripts/lint-powershell.sh

interop: ## against Postfix, swaks, openssl and other clients
	scripts/interop/quick.sh

FUZZTIME ?= 20s
fuzz: ## every fuzz target for FUZZTIME
	@for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package || exit 1; \
		done; \
	done

clean:
	rm -rf $(BIN)

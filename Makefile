.DEFAULT_GOAL := help
.PHONY: help test race fuzz e2e bench visible soak release ci

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' Makefile

test: ## unit tests
	go test ./...

race: ## unit tests with the race detector
	go test -race ./...

fuzz: ## every fuzz target for 30 s each (FUZZTIME=5m for longer)
	.ci/run fuzz

e2e: ## the built program among real servers (needs the packages in CONTRIBUTING.md)
	go test -tags e2e -count=1 ./e2e

bench: ## CPU per query beside Unbound and dnsdist (see bench/README.md)
	go run ./bench -peers floor,unbound,dnsdist -workloads hit,miss

visible: ## time until a record that was asked for too early is visible (see bench/README.md)
	go run ./bench/visible

soak: ## 10 minutes of mixed load at 20,000 queries a second
	go run ./e2e/soak -duration 10m -qps 20000

release: ## archives, Debian packages, bills of materials and checksums in dist/ (VERSION=v1.2.3; else as git says)
	go run ./deploy/release -version "$(VERSION)"

ci: ## everything that has to pass before a change goes in
	.ci/run

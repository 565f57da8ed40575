# Two verbs. Building needs none: go build ./cmd/mantle.

GO ?= go

.PHONY: test check bench stories

# Everything: what a fresh Debian machine lacks is installed, then every test
# runs, real clients included. MANTLE_TEST_REQUIRE_ALL=1 turns each skip into
# a failure.
test:
	./e2e/setup
	$(MAKE) check
	$(GO) test -v ./... 2>&1 | ./e2e/summary -q
	$(GO) test -race ./broker/... ./agent/... ./iam/... ./internal/... ./sandbox/...
	$(GO) test -tags e2e -timeout 30m -parallel 6 -v ./e2e/... 2>&1 | ./e2e/summary

check:
	@bad=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$bad" ]; then echo "not gofmt'ed: $$bad"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags e2e ./e2e/...
	.tools/staticcheck ./...

# The five stories of examples/, told as their READMEs have them, and the
# plainer configurations that they came from. They are part of `make test`.
stories:
	./e2e/setup
	$(GO) test -tags e2e -timeout 30m -parallel 6 -v -run TestStory ./e2e 2>&1 | ./e2e/summary

# Figures, each beside a bare baseline of the same run.
bench:
	$(GO) test -run '^$$' -bench . -benchmem ./bench/... ./iam/...
	$(GO) test -tags e2e -run '^$$' -bench Emulators ./bench

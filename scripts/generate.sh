#!/bin/sh
# Writes openapi/openapi.json and openapi/openapi.yaml from the comments of the
# handlers in api/rest. "make generate && git diff --exit-code" proves that the
# committed document is the one that the handlers describe.
set -eu
cd "$(dirname "$0")/../openapi/gen"
go run . -root ../..

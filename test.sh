#!/usr/bin/env bash
# Passes the tests: installs the SIP peers that they call where Debian's
# packages are missing, then vets, builds without cgo and runs every test. One
# package at a time: tests of sound want the machine for themselves.
# Arguments are handed to go test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# program:package; baresip-core brings the modules that the tests load.
missing=()
for need in sipp:sip-tester baresip:baresip-core xz:xz-utils; do
	command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
done
if [ "${#missing[@]}" -gt 0 ]; then
	command -v apt-get >/dev/null || { echo "test.sh: install what the tests call first: ${missing[*]}" >&2; exit 1; }
	sudo=
	[ "$(id -u)" = 0 ] || sudo=sudo
	export DEBIAN_FRONTEND=noninteractive
	$sudo apt-get update -q
	$sudo apt-get install -q -y --no-install-recommends "${missing[@]}"
fi

CGO_ENABLED=0 go vet ./...
CGO_ENABLED=0 go build ./...
CGO_ENABLED=0 go test -p 1 -timeout 20m "$@" ./...

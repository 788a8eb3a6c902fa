#!/usr/bin/env bash
# Generates everything anew and fails when that changed a file: what is committed must be what the sources say.
# It compares files, not commits, so it also tells the truth in the middle of work.
set -euo pipefail
cd "$(dirname "$0")/.."

sums() { find . -path ./node_modules -prune -o -name '*_templ.go' -type f -exec sha256sum {} + | sort -k 2; }

before=$(sums)
"${GO:-go}" tool templ generate -path views -log-level error
after=$(sums)
if [ "$before" != "$after" ]; then
	diff <(echo "$before") <(echo "$after") | sed -n 's/^[<>] [0-9a-f]* *//p' | sort -u >&2 || true
	echo "gen-check: the files above are not what their .templ files say. They are now: commit them." >&2
	exit 1
fi

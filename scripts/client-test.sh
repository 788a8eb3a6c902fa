#!/usr/bin/env bash
# Starts a demo of its own on a free port and runs the upstream SDK against it (test/client). What the demo writes for clients
# is the suite's environment: POSTERN_URL, POSTERN_API_KEY and the others.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
chmod 711 "$folder" # the private Postgres runs as a user of its own, who must get through
demo=""
finish() {
	[ -z "$demo" ] || { kill "$demo" 2>/dev/null || true; wait "$demo" 2>/dev/null || true; }
	rm -rf "$folder"
}
trap finish EXIT

port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
# Nothing of the caller's own settings may reach this demo.
for name in $(compgen -e | grep '^POSTERN_' || true) DATABASE_URL; do unset "$name"; done
bin/postern demo --addr "127.0.0.1:$port" --data "$folder/data" --env-file "$folder/client.env" >"$folder/log" 2>&1 &
demo=$!
for _ in $(seq 1 600); do
	if [ -s "$folder/client.env" ] && node -e "fetch('http://127.0.0.1:$port/readyz').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"; then
		break
	fi
	if ! kill -0 "$demo" 2>/dev/null; then
		tail -n 40 "$folder/log" >&2
		echo "client-test: the demo ended; what it said is above" >&2
		exit 1
	fi
	sleep 0.2
done
while IFS= read -r line; do
	case $line in POSTERN_*=*) ;; *) continue ;; esac
	value=${line#*=}
	case $value in \"*\" | \'*\') value=${value:1:${#value}-2} ;; esac
	export "${line%%=*}=$value"
done <"$folder/client.env"

if ! npm run --silent --prefix test/client test; then
	tail -n 40 "$folder/log" >&2
	exit 1
fi

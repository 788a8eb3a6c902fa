#!/usr/bin/env bash
# Installs what Postern needs on this machine and says what it installs. With everything there it does nothing.
#   scripts/setup.sh run     what "make run" needs: Postgres, the front-end packages
#   scripts/setup.sh assets  the front-end packages alone
#   scripts/setup.sh test    what "make test" needs on top: Dovecot, Chromium
set -euo pipefail
cd "$(dirname "$0")/.."
purpose=${1:-test}

say() { printf 'setup: %s\n' "$*"; }

have_postgres() {
	command -v initdb >/dev/null && command -v postgres >/dev/null && return 0
	local dir
	for dir in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/libexec/postgresql* /usr/lib/postgresql*/bin \
		/opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin; do
		[ -x "$dir/initdb" ] && [ -x "$dir/postgres" ] && return 0
	done
	return 1
}
have_dovecot() { command -v dovecot >/dev/null || [ -x /usr/sbin/dovecot ] || [ -x /opt/homebrew/sbin/dovecot ] || [ -x /usr/local/sbin/dovecot ]; }
have_chromium() {
	local name
	for name in chromium chromium-browser google-chrome google-chrome-stable; do
		command -v "$name" >/dev/null && return 0
	done
	[ -d "/Applications/Google Chrome.app" ] || [ -d "/Applications/Chromium.app" ]
}

# The three that we cannot install for you: which version, and from where, is your choice.
missing=""
for tool in go node npm; do
	command -v "$tool" >/dev/null || missing="$missing $tool"
done
if [ -n "$missing" ]; then
	say "missing:$missing. Install Go (go.mod says which version) and Node 20 or later, then run this again." >&2
	exit 1
fi

wanted=()
if [ "$purpose" != assets ]; then
	have_postgres || wanted+=(postgresql)
fi
if [ "$purpose" = test ]; then
	have_dovecot || wanted+=(dovecot)
	have_chromium || wanted+=(chromium)
	command -v python3 >/dev/null || wanted+=(python3) # the reference's snippet for Python is run
fi

# named WORDS...: the package names of this system for our words.
named() {
	local word
	for word in "${wanted[@]}"; do
		case "$1:$word" in
			apt:dovecot) echo dovecot-imapd ;;
			brew:postgresql) echo postgresql@17 ;;
			brew:chromium) echo --cask chromium ;;
			dnf:postgresql) echo postgresql-server ;;
			*) echo "$word" ;;
		esac
	done | tr '\n' ' ' | sed 's/ $//'
}

if [ ${#wanted[@]} -gt 0 ]; then
	if ! command -v apt-get >/dev/null; then
		if command -v brew >/dev/null; then
			# A cask cannot share a line with the others.
			command="brew install $(named brew | sed 's/ \{0,1\}--cask chromium//')"
			case " ${wanted[*]} " in *" chromium "*) command="$command && brew install --cask chromium" ;; esac
			command=${command#brew install  && }
		elif command -v dnf >/dev/null; then command="dnf install -y $(named dnf)"
		elif command -v apk >/dev/null; then command="apk add $(named apk)"
		elif command -v pacman >/dev/null; then command="pacman -S $(named pacman)"
		elif command -v zypper >/dev/null; then command="zypper install $(named zypper)"
		else command="your system's package manager for: ${wanted[*]}"
		fi
		say "missing: ${wanted[*]}. Install them with: $command" >&2
		exit 1
	fi
	as_root=()
	if [ "$(id -u)" != 0 ]; then
		if ! command -v sudo >/dev/null; then
			say "missing: ${wanted[*]}. Run as root: apt-get install -y $(named apt)" >&2
			exit 1
		fi
		as_root=(sudo)
	fi
	read -ra packages <<<"$(named apt)"
	say "installing the Debian packages: ${packages[*]}"
	report=$(mktemp)
	trap 'rm -f "$report"' EXIT
	# An index that is partly out of reach may still know these packages; the install is what counts.
	${as_root[@]+"${as_root[@]}"} apt-get update -qq >"$report" 2>&1 || say "apt-get update did not go through; trying with the index at hand"
	if ! ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${packages[@]}" </dev/null >>"$report" 2>&1; then
		tail -n 40 "$report" >&2
		say "apt-get could not install ${packages[*]}; what it said is above" >&2
		exit 1
	fi
fi

# npm_ci DIR: the packages of DIR's lock file, unless they are what is there.
npm_ci() {
	[ -f "$1/package-lock.json" ] || return 0
	if [ -f "$1/node_modules/.lock-installed" ] && cmp -s "$1/package-lock.json" "$1/node_modules/.lock-installed"; then
		return 0
	fi
	say "installing the npm packages of $1/package-lock.json"
	(cd "$1" && npm ci --no-audit --no-fund --loglevel=error)
	cp "$1/package-lock.json" "$1/node_modules/.lock-installed"
}
npm_ci .
if [ "$purpose" = test ] && [ -f test/client/package.json ]; then
	npm_ci test/client
fi

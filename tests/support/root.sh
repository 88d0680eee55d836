# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A pristine Debian in a folder, for scripts that stand at the top of the tree. They set folder, where all is made, and
# have a function complain TEXT STATUS that ends them.

# shellcheck disable=SC2154 # folder
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
settings=() # of the environment in the root

have() {
	command -v "$1" >/dev/null 2>&1
}

say() {
	printf '\n==== %s\n' "$1"
}

# ---- what is needed --------------------------------------------------------------------------------------------------

# Whether roots can be made here; what that takes is installed.
needs_root() {
	[ "$(id -u)" -eq 0 ] || complain 'needs root' 77
	mkdir -p "$folder" || exit 1
	git ls-files >/dev/null 2>&1 || complain 'needs git, and a tree that is in it' 77
	have apt-get || complain 'needs a Debian' 77
	unshare --mount --pid --fork true 2>/dev/null || complain 'this machine lets nobody make namespaces' 77
	if ! have mmdebstrap || [ ! -r "$keyring" ]; then
		[ -z "${REDISLOCK_TESTS_NO_INSTALL:-}" ] || complain 'needs mmdebstrap and debian-archive-keyring' 77
		say 'installing mmdebstrap'
		apt-get update -qq
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mmdebstrap \
			debian-archive-keyring >/dev/null || complain 'mmdebstrap could not be installed' 77
	fi
}

# sources SUITE: the machine's own sources, for another suite. In the index of the machine's apt there is for each the
# name that its mirror gives it: bookworm, bookworm-updates, ...
sources() {
	apt-get indextargets --format "\$(ORIGIN) \$(CODENAME) \$(REPO_URI) \$(COMPONENT)" 'Created-By: Packages' |
		awk -v suite="$1" -v keyring="$keyring" '
			$1 != "Debian" || $4 != "main" || $2 !~ /^[a-z]+(-updates|-security)?$/ { next }
			{ sub(/^[a-z]+/, suite, $2); print "deb [signed-by=" keyring "] " $3 " " $2 " main" }' | sort -u
}

# What the machine's apt needs to be told, its roots need as well.
apt_options() {
	apt-config dump | grep -E '^Acquire::(Check-|https?::Proxy )' | sed 's/^/--aptopt=/'
}

# make_tarball SUITE
make_tarball() {
	local options
	[ ! -f "$folder/$1.tar" ] || return 0
	say "making a minimal $1"
	sources "$1" >"$folder/$1.sources"
	if [ ! -s "$folder/$1.sources" ]; then
		apt-get update -qq
		sources "$1" >"$folder/$1.sources"
		[ -s "$folder/$1.sources" ] || complain 'apt has no Debian mirror here' 77
	fi
	apt_options >"$folder/$1.options"
	mapfile -t options <"$folder/$1.options"
	mmdebstrap --mode=root --variant=minbase --format=tar --quiet "${options[@]}" "$1" "$folder/$1.new" - \
		<"$folder/$1.sources" && mv "$folder/$1.new" "$folder/$1.tar"
}

# ---- the root --------------------------------------------------------------------------------------------------------

root=
child=

# The mounts are in a namespace, and gone with its last process; its first one dies with the child.
remove_root() {
	local tries
	if [ -n "$child" ]; then
		kill -KILL "$child" 2>/dev/null
		wait "$child" 2>/dev/null
		child=
	fi
	[ -n "$root" ] || return 0
	for ((tries = 0; tries < 100; tries++)); do
		rm -rf --one-file-system "$root" 2>/dev/null && break
		sleep 0.1
	done
	[ ! -e "$root" ] || echo "$0: $root could not be removed" >&2
	root=
}
trap remove_root EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# make_root SUITE
make_root() {
	local file
	root=$(mktemp -d "$folder/$1.XXXXXX") && chmod 755 "$root" && tar -C "$root" -xf "$folder/$1.tar" &&
		mkdir -p "$root/usr/local/share/ca-certificates" "$root/src" || return
	# What belongs to the machine: names, and whom to trust. And nothing that is installed may start by itself.
	cp -L /etc/resolv.conf /etc/hosts "$root/etc/" || return
	for file in /usr/local/share/ca-certificates/*.crt; do
		[ ! -f "$file" ] || cp "$file" "$root/usr/local/share/ca-certificates/" || return
	done
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" && chmod 755 "$root/usr/sbin/policy-rc.d" || return
	git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
		[ ! -e "$file" ] || printf '%s\0' "$file"
	done | tar --create --null --files-from=- | tar -C "$root/src" -x --no-same-owner
}

# in_root LOG COMMAND...: runs it in the root, without a terminal; its output is shown, and goes to the log.
in_root() {
	local log=$1 shown status output
	shift
	exec {output}> >(exec tee "$log")
	shown=$!
	# In the background, so that the traps are heard; but such a job would ignore interrupts.
	# shellcheck disable=SC2016 # it is the inner shell that expands them
	setsid setpriv --pdeathsig KILL env --default-signal unshare --mount --pid --fork --kill-child sh -c '
		mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"' "$root" \
		env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${settings[@]}" \
		sh -c 'cd /src && exec "$@"' sh "$@" >&"$output" 2>&1 &
	child=$!
	exec {output}>&-
	wait "$child"
	status=$?
	child=
	wait "$shown"
	return "$status"
}

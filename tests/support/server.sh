# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A real server for tests that are scripts: on a unix socket in a folder of the caller's, ended by its process id.

SERVER_PID=
SERVER_URL=
SERVER_SOCKET=

# start_server FOLDER [ARGUMENT...]: sets SERVER_PID, SERVER_SOCKET and SERVER_URL; ends with 77 where there is no server.
start_server() {
	local folder=$1 program=${REDIS_SERVER:-} tries
	shift
	[ -n "$program" ] || program=$(command -v redis-server || command -v valkey-server || true)
	if [ -z "$program" ]; then
		echo "SKIP: neither redis-server nor valkey-server"
		exit 77
	fi
	SERVER_SOCKET=$folder/socket
	# shellcheck disable=SC2034
	SERVER_URL=unix://$SERVER_SOCKET
	: >"$folder/log"
	"$program" --port 0 --unixsocket "$SERVER_SOCKET" --save '' --dir "$folder" "$@" >"$folder/log" 2>&1 </dev/null &
	SERVER_PID=$!
	for ((tries = 0; tries < 600; tries++)); do
		# The socket is this server's: nobody else knows the folder. It is there for a moment before it can be
		# connected to.
		grep -q -i 'ready to accept connections' "$folder/log" && return 0
		kill -0 "$SERVER_PID" 2>/dev/null || break
		sleep 0.05
	done
	cat "$folder/log"
	echo "the server did not start"
	exit 1
}

stop_server() {
	[ -n "$SERVER_PID" ] || return 0
	kill -KILL "$SERVER_PID" 2>/dev/null || true
	wait "$SERVER_PID" 2>/dev/null || true
	SERVER_PID=
}

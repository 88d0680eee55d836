# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# redis-lock-py for tests that are scripts, in a virtual environment that is kept for the next time. It is made once, by
# whoever is the first of them.

REFERENCE_PYTHON=

# need_reference FOLDER: sets REFERENCE_PYTHON; ends with 77 where it can't be had.
need_reference() {
	local folder=$1 candidate making python=''
	for candidate in /usr/bin/python3 python3; do
		if "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
			python=$candidate
			break
		fi
	done
	if [ -z "$python" ]; then
		echo "SKIP: no Python with venv"
		exit 77
	fi
	exec {making}>"$folder.lock"
	flock "$making"
	if ! "$folder/bin/python" -c 'import redis_lock' 2>/dev/null; then
		rm -rf "$folder"
		"$python" -m venv "$folder" || {
			echo "SKIP: no virtual environment could be made"
			exit 77
		}
		"$folder/bin/pip" install --quiet --disable-pip-version-check redis-lock-py || {
			echo "SKIP: pip could not install redis-lock-py"
			exit 77
		}
	fi
	exec {making}>&-
	# shellcheck disable=SC2034
	REFERENCE_PYTHON=$folder/bin/python
}

# The second line, run as root: answer requests, one a line, until the connection ends. $mark starts every header line.
say() {
	printf '\n%s' "$mark"
	printf ' %s' "$@"
	printf '\n'
}

# receive makes $D, a folder of root's own, and puts the files NAME:BASE64 there; without files there is no folder.
receive() {
	D=
	[ $# -gt 0 ] || return 0
	D=$(/usr/bin/mktemp -d /private/var/run/macos-fleet.XXXXXX) || return
	for file; do
		printf %s "${file#*:}" | /usr/bin/base64 -d >"$D/${file%%:*}" || return
	done
}

say ready "$(/usr/bin/uname -s)" "$(/usr/bin/sw_vers -productVersion 2>/dev/null)" "$SSH_CONNECTION"
while IFS=' ' read -r script files; do
	# $files is one word for each file: base64 holds neither blanks nor glob characters.
	# shellcheck disable=SC2086
	if receive $files; then
		(eval "$(printf %s "$script" | /usr/bin/base64 -d)") </dev/null
		status=$?
	else
		status=73
	fi
	[ -z "$D" ] || /bin/rm -rf "$D"
	printf '\n%s\n' "$mark" >&2
	say end "$status"
done

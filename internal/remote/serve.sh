# The second line, run as root: answer requests, one a line, until the connection ends. $mark starts every header line; $0
# is the login user and $1 the connection: client address and port, server address and port.
# shellcheck disable=SC2154 # the line above this script sets $mark
say() { printf '\n%s %s\n' "$mark" "$*"; }

# receive makes $D, a folder of root's own, and puts the files NAME:BASE64 there; without files there is no folder.
receive() {
	D=
	[ $# -gt 0 ] || return 0
	D=$(/usr/bin/mktemp -d /private/var/run/macos-fleet.XXXXXX) || return 1
	for file; do
		printf %s "${file#*:}" | /usr/bin/base64 -d >"$D/${file%%:*}" || return 1
	done
}

# take makes this shell the only one that writes on this Mac, for $1 seconds at most. The lock is a symlink, since making one
# is atomic and brings its text along: until when it holds, and whose it is. One that has run out was left by a shell that was
# killed, and a reboot empties the folder. It is moved aside first: of two who find it so, one moves it, and puts back what was
# not the lock that had run out. When this fails, $held is whose it is; empty: there is no room for one.
lock=/private/var/run/macos-fleet.lock
take() {
	now=$(/bin/date +%s)
	held=$(/usr/bin/readlink "$lock")
	if [ -n "$held" ] && [ "${held%% *}" -le "$now" ] && /bin/mv "$lock" "$lock.$mark" 2>/dev/null; then
		moved=$(/usr/bin/readlink "$lock.$mark")
		[ "$moved" = "$held" ] || /bin/ln -s "$moved" "$lock" 2>/dev/null
		/bin/rm -f "$lock.$mark"
	fi
	mine="$((now + $1)) $0 from ${client% * *}"
	tries=0
	until /bin/ln -s "$mine" "$lock" 2>/dev/null; do
		held=$(/usr/bin/readlink "$lock")
		tries=$((tries + 1))
		[ -z "$held" ] && [ "$tries" -lt 5 ] || return 1 # or else it was let go just now
	done
}
release() { [ "$(/usr/bin/readlink "$lock")" != "$mine" ] || /bin/rm -f "$lock"; }

# A client that is gone does not stop a script halfway: what it runs would die of its first word to stdout or stderr, and pfctl
# always has one. Programs inherit this.
trap '' PIPE HUP
client=$1
system=$(/usr/bin/uname -s)
say ready "$system" "$(/usr/bin/sw_vers -productVersion 2>/dev/null)" "$client"
[ "$system" = Darwin ] || exit
while IFS=' ' read -r seconds script files; do
	D=
	mine=
	# $files is one word for each file: base64 holds neither blanks nor glob characters.
	# shellcheck disable=SC2086
	if [ "$seconds" != 0 ] && ! take "$seconds"; then
		mine=
		status=73
		[ -z "$held" ] || { say busy "$held" && status=75; }
	elif receive $files; then
		(eval "$(printf %s "$script" | /usr/bin/base64 -d)") </dev/null
		status=$?
	else
		status=73
	fi
	[ -z "$D" ] || /bin/rm -rf "$D"
	[ "$seconds" = 0 ] || release
	printf '\n%s\n' "$mark" >&2
	say end "$status"
done

# reference.sh: a reference that keeps pf enabled, unless the one we hold still counts. Its token is kept where a reboot drops it, as
# the kernel does; boot.sh, at the next boot, takes another. The token line is on stderr: "Token : N".
file=/private/var/run/macos-fleet.pf.token
held() { [ -n "$1" ] && pfctl -s References 2>/dev/null | /usr/bin/grep -q -w -- "$1"; }
ours() { /usr/bin/sed -n 's/^Token : *//p' tried; }
# shellcheck disable=SC2154 # change.sh sets $verb
case $verb in
try)
	! held "$(/bin/cat "$file" 2>/dev/null)" || exit 0
	/sbin/pfctl -E >tried 2>&1 || fail 25 "$(/bin/cat tried)"
	[ -n "$(ours)" ] || fail 25 "pfctl -E printed no token: $(/bin/cat tried)"
	;;
keep)
	[ -e tried ] || exit 0
	ours >token && spare token && /bin/chmod 0600 token.new && place token "$file" || exit 24
	;;
undo)
	[ -e tried ] && token=$(ours) && held "$token" || exit 0
	said=$(/sbin/pfctl -X "$token" 2>&1) || fail 26 "$said"
	[ "$(/bin/cat "$file" 2>/dev/null)" != "$token" ] || /bin/rm -f "$file"
	;;
esac

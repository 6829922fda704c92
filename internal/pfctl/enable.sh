# Take a reference that keeps pf enabled, unless the one we hold still counts. Its token is kept where a reboot drops it,
# as the kernel does; boot.sh, at the next boot, takes another. The token line is on stderr: "Token : N".
token=/private/var/run/macos-fleet.pf.token
held=$(/bin/cat "$token" 2>/dev/null)
if [ -z "$held" ] || ! /sbin/pfctl -q -s References 2>/dev/null | /usr/bin/grep -q -w -- "$held"; then
	: >"$token" && /bin/chmod 0600 "$token" || exit 24
	out=$(/sbin/pfctl -E 2>&1) || { printf '%s\n' "$out" >&2; exit 25; }
	printf '%s\n' "$out" | /usr/bin/sed -n 's/^Token : *//p' >"$token"
	[ -s "$token" ] || { printf 'pfctl -E printed no token:\n%s\n' "$out" >&2; exit 25; }
fi

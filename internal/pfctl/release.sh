# Give our reference back. Without one, or when pfctl -d dropped it, there is nothing to give.
token=/private/var/run/macos-fleet.pf.token
held=$(/bin/cat "$token" 2>/dev/null)
if [ -n "$held" ] && /sbin/pfctl -q -s References 2>/dev/null | /usr/bin/grep -q -w -- "$held"; then
	out=$(/sbin/pfctl -X "$held" 2>&1) || { printf '%s\n' "$out" >&2; exit 25; }
fi
/bin/rm -f "$token"

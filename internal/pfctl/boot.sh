for file in /etc/pf.anchors/com.apple:*; do
	[ -f "$file" ] || continue
	name=${file##*/com.apple:}
	/sbin/pfctl -q -o none -a "com.apple/$name" -f "$file"
done
token=/private/var/run/macos-fleet.pf.token
[ -s "$token" ] || /sbin/pfctl -E 2>&1 | /usr/bin/sed -n 's/^Token : *//p' >"$token"

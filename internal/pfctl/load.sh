# load.sh NAME FILE KERNEL CONF: load the rules in $D/rules into anchor NAME and make them FILE.
# KERNEL is no when the kernel holds them already. CONF is no when /etc/pf.conf stays; yes when $D/conf.old becomes $D/conf;
# main when the main ruleset is loaded as well, from $D/conf.load, which lacks our lines that load anchors from their files: this one's
# file is not there yet, and the others are loaded. $D/old is the file as it was (missing: none), $D/old.rules the loaded rules as
# printed, $D/undo a text that loads them, and $D/conf.undo the old main ruleset as conf.load is the new.
name=$1 file=$2 kernel=$3 conf=$4
staged=${file%/*}/.${file##*/}.new
show() { /sbin/pfctl -q -a "$name" -s rules 2>/dev/null; /sbin/pfctl -q -a "$name" -s nat 2>/dev/null; }
stop() {
	/bin/rm -f "$staged" /etc/.pf.conf.new
	exit "$1"
}
same() { /usr/bin/cmp -s "$1" "$2"; }
stage() { /bin/cp "$1" "$2" && /usr/sbin/chown root:wheel "$2" && /bin/chmod 0644 "$2" && same "$1" "$2"; }
# load tries twice: another load at the same moment makes pfctl fail with "Resource busy".
load() { /sbin/pfctl -q "$@" || { /bin/sleep 1 && /sbin/pfctl -q "$@"; }; }
anchor() { [ "$kernel" = no ] || load -o none -a "$name" -f "$1"; }
main() { [ "$conf" != main ] || load -f "$1"; }

# As it was planned?
if [ -f "$D/old" ]; then same "$D/old" "$file" || stop 20; else [ ! -e "$file" ] || stop 20; fi
[ ! -L "$file" ] || stop 20
show >"$D/now.rules"
same "$D/old.rules" "$D/now.rules" || stop 20
[ "$conf" = no ] || same "$D/conf.old" /etc/pf.conf || stop 21

# Acceptable, and room for it?
/sbin/pfctl -q -o none -n -a "$name" -f - <"$D/rules" || stop 22
if [ "$conf" = main ]; then /sbin/pfctl -q -n -f "$D/conf.load" || stop 23; fi
/bin/mkdir -p "${file%/*}" || stop 24
stage "$D/rules" "$staged" || stop 24
[ "$conf" = no ] || stage "$D/conf" /etc/.pf.conf.new || stop 24

# The kernel: a load that fails has changed nothing. Then the disk.
anchor "$D/rules" || stop 25
main "$D/conf.load" || { anchor "$D/undo" || stop 26; stop 25; }
undo() {
	main "$D/conf.undo" || stop 26
	anchor "$D/undo" || stop 26
	stop 24
}
/bin/mv -f "$staged" "$file" || undo
if [ "$conf" != no ] && ! /bin/mv -f /etc/.pf.conf.new /etc/pf.conf; then
	if [ -f "$D/old" ]; then
		stage "$D/old" "$staged" && /bin/mv -f "$staged" "$file" || stop 26
	else
		/bin/rm -f "$file"
	fi
	undo
fi

set -- "$name" # what follows is survey.sh

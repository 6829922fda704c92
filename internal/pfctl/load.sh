# load.sh NAME FILE KERNEL CONF: load the rules in $D/rules into anchor NAME and make them FILE.
# KERNEL is no when the kernel holds them already; CONF is yes when /etc/pf.conf changes: $D/conf.old becomes $D/conf,
# and main when the main ruleset is loaded as well, from $D/conf.load, which is conf without the line that loads NAME
# from its file, since that file is not there yet. $D/old is the file as it was (missing: none), $D/old.rules the loaded rules
# as printed, and $D/undo a text that loads them.
name=$1 file=$2 kernel=$3 conf=$4
staged=${file%/*}/.${file##*/}.new
show() { /sbin/pfctl -q -a "$name" -s rules 2>/dev/null; /sbin/pfctl -q -a "$name" -s nat 2>/dev/null; }
stop() {
	/bin/rm -f "$staged" /etc/.pf.conf.new
	exit "$1"
}
same() { /usr/bin/cmp -s "$1" "$2"; }
stage() { /bin/cp "$1" "$2" && /usr/sbin/chown root:wheel "$2" && /bin/chmod 0644 "$2" && same "$1" "$2"; }
restore() {
	[ "$kernel" = no ] || /sbin/pfctl -q -o none -a "$name" -f "$D/undo" || stop 26
	[ "$conf" != main ] || /sbin/pfctl -q -f /etc/pf.conf || stop 26
	stop "$1"
}

# As it was planned?
if [ -f "$D/old" ]; then same "$D/old" "$file" || stop 20; else [ ! -e "$file" ] || stop 20; fi
show >"$D/now.rules"
same "$D/old.rules" "$D/now.rules" || stop 20
[ "$conf" = no ] || same "$D/conf.old" /etc/pf.conf || stop 21

# Acceptable, and room for it?
/sbin/pfctl -q -o none -n -a "$name" -f - <"$D/rules" || stop 22
if [ "$conf" = main ]; then /sbin/pfctl -q -n -f "$D/conf.load" || stop 23; fi
/bin/mkdir -p "${file%/*}" || stop 24
stage "$D/rules" "$staged" || stop 24
[ "$conf" = no ] || stage "$D/conf" /etc/.pf.conf.new || stop 24

# The kernel, then the disk.
[ "$kernel" = no ] || /sbin/pfctl -q -o none -a "$name" -f "$D/rules" || stop 25
if [ "$conf" = main ]; then /sbin/pfctl -q -f "$D/conf.load" || restore 25; fi
/bin/mv -f "$staged" "$file" || restore 24
[ "$conf" = no ] || /bin/mv -f /etc/.pf.conf.new /etc/pf.conf || stop 24

set -- "$name" # what follows is survey.sh

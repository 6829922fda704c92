# remove.sh NAME FILE KEEP CONF: remove the rules of anchor NAME and its FILE. CONF as in load.sh; KEEP is yes when a line of
# pf.conf that is not ours loads FILE: a missing file would cost the Mac its main ruleset at boot, so it is emptied instead.
name=$1 file=$2 keep=$3 conf=$4
stop() {
	/bin/rm -f /etc/.pf.conf.new
	exit "$1"
}
same() { /usr/bin/cmp -s "$1" "$2"; }
stage() { /bin/cp "$1" "$2" && /usr/sbin/chown root:wheel "$2" && /bin/chmod 0644 "$2" && same "$1" "$2"; }

[ -n "$name" ] || stop 27 # without a name, -F all would be about the whole Mac
if [ -f "$D/old" ]; then same "$D/old" "$file" || stop 20; else [ ! -e "$file" ] || stop 20; fi
[ ! -L "$file" ] || stop 20
if [ "$conf" != no ]; then
	same "$D/conf.old" /etc/pf.conf || stop 21
	/sbin/pfctl -q -n -f "$D/conf.load" || stop 23
	stage "$D/conf" /etc/.pf.conf.new || stop 28
	/bin/mv -f /etc/.pf.conf.new /etc/pf.conf || stop 28
	if [ "$conf" = main ]; then /sbin/pfctl -q -f "$D/conf.load" || stop 27; fi
fi
/sbin/pfctl -q -a "$name" -F all || stop 27
if [ "$keep" = yes ]; then : >"$file" || stop 27; else /bin/rm -f "$file" || stop 27; fi

set -- "$name" # what follows is survey.sh

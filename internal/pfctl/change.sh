# change.sh stands before the script of each change of pf, after watchdog's of that name: it is run in a folder of its own with one word, check,
# try, keep or undo. The files there are named in each script; tried and kept are there once those words were given.
# shellcheck disable=SC2034,SC2154 # verb is for the script that follows, which sets $name and $file
verb=$1
pfctl() { /sbin/pfctl -q "$@"; }
# load tries twice: another load at the same moment makes pfctl fail with "Resource busy".
load() { pfctl "$@" || { /bin/sleep 1 && pfctl "$@"; }; }
# The rules that anchor $name holds, and its tables: saved as files table.NAME, and put back.
show() { pfctl -a "$name" -s rules 2>/dev/null; pfctl -a "$name" -s nat 2>/dev/null; }
tables() { pfctl -a "$name" -s Tables 2>/dev/null; }
# unchanged ends the change unless its $file and the anchor's rules are as old and old.rules say.
unchanged() {
	if [ -f old ]; then same old "$file"; else [ ! -e "$file" ]; fi && [ ! -L "$file" ] || exit 20
	show >now.rules
	same old.rules now.rules || exit 20
}
save() {
	tables | while IFS= read -r table; do
		pfctl -a "$name" -t "$table" -T show >"table.$table" || exit 1
	done
}
# restore loads what the anchor held before: undo is a text that loads it, old.rules the rules as pfctl printed them, in an order in which it
# takes them. If neither can be loaded any more, the anchor is emptied, since what is in it cuts somebody off.
restore() {
	show >now.rules
	same old.rules now.rules || load -o none -a "$name" -f undo || load -o none -a "$name" -f old.load || {
		pfctl -a "$name" -F rules
		pfctl -a "$name" -F nat
		fail 26 "anchor $name is empty now, because its old rules do not load any more"
	}
	for saved in table.*; do
		[ ! -f "$saved" ] || pfctl -a "$name" -t "${saved#table.}" -T replace -f "$saved" 2>/dev/null
	done
	tables | while IFS= read -r table; do
		[ -f "table.$table" ] || pfctl -a "$name" -t "$table" -T kill 2>/dev/null
	done
}

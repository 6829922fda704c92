# What pf looks like: with arguments the anchors of these names only, without arguments all of them, and what loads them at boot.
# pfctl's show commands exit with 0 when they fail, and say why on stderr: so both streams are kept.
show() { /sbin/pfctl -q "$@" 2>&1; }
# tables NAME [-a NAME]: the tables of an anchor and their addresses; those of the main ruleset for "".
tables() {
	of=$1
	shift
	names=$(/sbin/pfctl -q "$@" -s Tables 2>/dev/null)
	[ -n "$names" ] || return 0
	printf '%s\n' "$names" | while IFS= read -r table; do
		say table "$table" "$of"
		show "$@" -t "$table" -T show
	done
}

say info
show -s info
say references
show -s References
say token
/bin/cat /private/var/run/macos-fleet.pf.token 2>/dev/null
say main filter
show -s rules
say main nat
show -s nat
if [ -f /etc/pf.conf ]; then
	say conf
	/bin/cat /etc/pf.conf
	# Without its load lines, since -nv would print the rules of those anchors as well; an empty line keeps the numbers.
	say conf-loads
	/usr/bin/sed 's/^[[:space:]]*load[[:space:]].*//' /etc/pf.conf | show -nv -f -
fi

if [ $# -eq 0 ]; then
	tables ''
	for plist in /Library/LaunchDaemons/*.plist; do
		if /usr/bin/grep -q pfctl "$plist" 2>/dev/null; then
			say daemon "$plist"
			/usr/bin/plutil -convert xml1 -o - -- "$plist" 2>/dev/null
		fi
	done
fi

# The files of tables, which name them: ANCHOR:TABLE.
for path in /etc/pf.tables/*:*; do
	if [ -f "$path" ] && [ ! -L "$path" ]; then
		say table-file "$(/usr/bin/stat -f '%p %u:%g' "$path") $path"
		/bin/cat "$path"
	fi
done

anchor() {
	say filter "$1"
	show -a "$1" -s rules
	say nat "$1"
	show -a "$1" -s nat
	tables "$1" -a "$1"
}
# file PATH: the file of an anchor, and what it would load to with and without pfctl's optimizer, which is on at boot.
file() {
	if [ -L "$1" ]; then
		say link "$1"
		return
	fi
	[ -f "$1" ] || return 0
	say file "$(/usr/bin/stat -f '%p %u:%g' "$1") $1"
	/bin/cat "$1"
	say loads "$1"
	show -o none -nv -a macos-fleet -f "$1"
	say boots "$1"
	show -nv -a macos-fleet -f "$1"
}
if [ $# -gt 0 ]; then
	for name; do
		anchor "$name"
		file "/etc/pf.anchors/$(printf %s "$name" | /usr/bin/tr / :)"
	done
else
	show -v -s Anchors | while IFS= read -r name; do anchor "${name#  }"; done
	for path in /etc/pf.anchors/*; do file "$path"; done
fi
: # what there is to read was said; the last status says nothing

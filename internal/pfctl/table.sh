# table.sh: the addresses of a table. In args are its anchor, its name, its file, and what the kernel is to do: replace what the table holds by
# want, patch it with add and delete, end it, or nothing, as it holds all that already. want are the addresses that the file is to hold
# (missing: the file is to go), old the file as it was (missing: none), held what the table holds, in order (missing: it does not exist; that
# is looked at before all is replaced or ended only).
{ read -r anchor && read -r table && read -r file && read -r how; } <args || exit 73
[ -n "$anchor" ] && [ -n "$table" ] || exit 73
change() { pfctl -a "$anchor" -t "$table" -T "$@"; }
holds() { change show | /usr/bin/tr -d ' ' | LC_ALL=C /usr/bin/sort; }
# as_seen ends the change unless the file and what is to be replaced are as held and old say.
as_seen() {
	if [ -f old ]; then same old "$file"; else [ ! -e "$file" ]; fi && [ ! -L "$file" ] || exit 20
	case $how in replace | end) ;; *) return 0 ;; esac
	holds >now 2>/dev/null
	if [ -f held ]; then same held now || exit 20; else [ ! -s now ] || exit 20; fi
}
# named reports whether a rule file names the table's file: pfctl would refuse those rules without it, at boot as well.
named() { /usr/bin/grep -q -s -F -e "$file" /etc/pf.conf /etc/pf.anchors/*; }
# patch ADD DELETE: what has another sign than before is only added once the old one is gone.
patch() {
	[ ! -s "$1" ] || load -a "$anchor" -t "$table" -T add -f "$1" || return 1
	[ -s "$2" ] || return 0
	load -a "$anchor" -t "$table" -T delete -f "$2" || return 1
	[ ! -s "$1" ] || load -a "$anchor" -t "$table" -T add -f "$1"
}
# ours reports whether the file is what keep makes of it, or gone.
ours() {
	[ -e "$file" ] || return 0
	if [ -f want ]; then same want "$file"; else same none "$file"; fi
}
tidy() { /bin/rmdir "${file%/*}" 2>/dev/null || :; }
# shellcheck disable=SC2154 # change.sh sets $verb
case $verb in
check)
	as_seen
	[ -f want ] || : >none
	for text in want none old; do
		[ ! -f "$text" ] || spare "$text" || exit 24
	done
	;;
try)
	as_seen
	: >tried
	case $how in
	no) /bin/rm -f tried ;;
	replace) load -a "$anchor" -t "$table" -T replace -f want || exit 25 ;;
	patch) patch add delete || exit 25 ;;
	end)
		# One that rules name stays, for it would be that of the main ruleset which they then mean.
		if { pfctl -a "$anchor" -s rules; pfctl -a "$anchor" -s nat; } 2>/dev/null | /usr/bin/grep -q -F -e "<$table>"; then change flush || exit 25; else change kill || exit 25; fi
		;;
	esac
	;;
keep)
	: >kept
	if [ -f want ]; then
		/bin/mkdir -p "${file%/*}" && place want "$file" || exit 24
	elif [ -f old ] && named; then
		place none "$file" || exit 24
	else
		/bin/rm -f "$file" || exit 24
		tidy
	fi
	;;
undo)
	if [ -e kept ] && ours; then
		if [ -f old ]; then
			/bin/mkdir -p "${file%/*}" && place old "$file" || exit 26
		else
			/bin/rm -f "$file" || exit 26
			tidy
		fi
	fi
	[ -e tried ] || exit 0
	if [ ! -f held ]; then
		change kill 2>/dev/null || :
	elif [ "$how" = patch ]; then
		patch delete add || exit 26
	else
		load -a "$anchor" -t "$table" -T replace -f held || exit 26
	fi
	;;
esac

# removal.sh: the end of an anchor. In args are its name, its file, and whether to empty that instead of removing it: yes when a line of
# pf.conf that is not ours loads it, since without it the Mac would boot without its main ruleset. old is the file (missing: none), old.rules
# the loaded rules as printed, undo and old.load see restore.
{ read -r name && read -r file && read -r empty; } <args || exit 73
[ -n "$name" ] || exit 73 # without a name, -F would be about the whole Mac
# shellcheck disable=SC2154 # change.sh sets $verb
case $verb in
check)
	unchanged
	: >rules
	spare rules || exit 24
	if [ -f old ]; then spare old || exit 24; fi
	;;
try)
	unchanged
	save || exit 25
	: >tried
	pfctl -a "$name" -F all || exit 25
	;;
keep)
	: >kept
	if [ "$empty" = yes ]; then place rules "$file" || exit 24; else /bin/rm -f "$file" || exit 24; fi
	;;
undo)
	if [ -e kept ] && [ -f old ] && { [ ! -e "$file" ] || same rules "$file"; }; then place old "$file" || exit 26; fi
	[ ! -e tried ] || restore
	;;
esac

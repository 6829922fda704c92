# anchor.sh: the rules of an anchor. In args are its name, its file, and whether the kernel is to load them: no when it holds them already. rules
# are the new ones, old the file as it was (missing: none), old.rules the loaded rules as printed, undo and old.load see restore.
{ read -r name && read -r file && read -r kernel; } <args || exit 73
# shellcheck disable=SC2154 # change.sh sets $verb
case $verb in
check)
	unchanged
	pfctl -o none -n -a "$name" -f rules || exit 22
	spare rules || exit 24
	if [ -f old ]; then spare old || exit 24; fi
	;;
try)
	unchanged
	[ "$kernel" != no ] || exit 0
	save || exit 25
	: >tried
	load -o none -a "$name" -f rules || exit 25
	;;
keep)
	: >kept
	/bin/mkdir -p "${file%/*}" && place rules "$file" || exit 24
	;;
undo)
	if [ -e kept ] && same rules "$file"; then
		if [ -f old ]; then place old "$file" || exit 26; else /bin/rm -f "$file" || exit 26; fi
	fi
	[ ! -e tried ] || restore
	;;
esac

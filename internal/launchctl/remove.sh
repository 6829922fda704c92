# remove.sh LABEL FILE UNLOAD WAIT: stop job LABEL if UNLOAD is yes, and remove its FILE, which is $D/old (missing: none).
label=$1 file=$2 unload=$3 wait=$4
loaded() {
	/bin/launchctl print "system/$label" >/dev/null 2>&1
	[ $? != 113 ]
}

if [ -f "$D/old" ]; then /usr/bin/cmp -s "$D/old" "$file" || exit 20; else [ ! -e "$file" ] || exit 20; fi
if [ "$unload" = yes ] && loaded; then
	out=$(/bin/launchctl bootout "system/$label" 2>&1)
	n=0
	while loaded; do
		if [ "$n" -ge "$wait" ]; then
			printf '%s\n' "$out" >&2
			exit 27
		fi
		/bin/sleep 0.5
		n=$((n + 1))
	done
fi
if ! /bin/rm -f "$file"; then
	[ "$unload" = no ] || /bin/launchctl bootstrap system "$file" || exit 26
	exit 24
fi

set -- "$label" # what follows is survey.sh

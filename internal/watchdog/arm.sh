# arm.sh FOLDER LABEL CHANGES HOLDS: have launchd start a watchdog for the CHANGES in $D, numbered from 1, which then waits for the word
# to go. It has the lock from here on, for HOLDS seconds at most. Nothing has changed when this fails.
# shellcheck disable=SC2154 # serve.sh sets $lock, $mine and $client
folder=$1 label=$2 changes=$3 holds=$4
unpack() {
	/bin/mkdir -m 0700 "$folder" && /bin/mv "$D/watchdog.sh" "$D/job.plist" "$folder/" || return 1
	for file in "$D"/[1-9]*; do
		name=${file##*/}
		[ -d "$folder/${name%%.*}" ] || /bin/mkdir "$folder/${name%%.*}" || return 1
		/bin/mv "$file" "$folder/${name%%.*}/${name#*.}" || return 1
	done
	for state in undoing undone stuck kept; do
		printf '%s disk\n' "$state" >"$folder/full.$state" || return 1
	done
	# A log that is there can be opened on a full disk, too.
	: >"$folder/log" && printf '%s\n' "$client" >"$folder/client"
}
drop() {
	/bin/launchctl bootout "system/$label" 2>/dev/null
	/bin/rm -rf "$folder" "$lock.$label"
	exit "$1"
}
unpack || drop 73
n=1
while [ "$n" -le "$changes" ]; do
	say check "$n"
	(cd "$folder/$n" && /bin/sh change.sh check) || drop $?
	n=$((n + 1))
done

# A watchdog that has outlived its lease has slept, or launchd has it no more: it goes on, and undoes, before anything else is changed.
# One that never had a lease was cut short in this script.
over() {
	state=
	[ ! -f "$1/state" ] || read -r state _ <"$1/state"
	case $state in kept | undone | stuck) ;; *) [ ! -d "$1" ] ;; esac
}
for other in "${folder%.*}".*; do
	if [ "$other" = "$folder" ] || over "$other"; then continue; fi
	if [ ! -f "$other/lease" ]; then
		/bin/rm -rf "$other"
		continue
	fi
	: >"$other/undo"
	/bin/launchctl bootstrap system "$other/job.plist" 2>/dev/null
	tries=0
	until over "$other"; do
		if [ "$tries" -ge 300 ]; then
			printf 'An earlier change has not been undone: see %s.\n' "$other" >&2
			drop 73
		fi
		/bin/sleep 0.1
		tries=$((tries + 1))
	done
done

lease="$(($(/bin/date +%s) + holds)) ${mine#* }"
printf '%s\n' "$lease" >"$folder/lease" && /bin/ln -s "$lease" "$lock.$label" && /bin/mv -f "$lock.$label" "$lock" || drop 73

said=$(/bin/launchctl bootstrap system "$folder/job.plist" 2>&1)
code=$?
tries=0
until [ -s "$folder/state" ]; do
	# A job that nothing has started in three seconds: seen twice after a good bootstrap, and a kick helped.
	if [ "$tries" = 30 ]; then
		/bin/launchctl kickstart "system/$label" </dev/null >/dev/null 2>&1 &
	fi
	if [ "$tries" -ge 60 ]; then
		printf 'launchctl bootstrap ended with exit %s, and six seconds later the job has not begun. %s\n' "$code" "$said" >&2
		/bin/rm -f "$lock"
		drop 74
	fi
	/bin/sleep 0.1
	tries=$((tries + 1))
done
say armed

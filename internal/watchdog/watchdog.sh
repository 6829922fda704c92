# watchdog.sh FOLDER LABEL CONFIRM SETTLE: what launchd runs. In FOLDER are changes 1, 2 ..., each a folder with a script change.sh, which
# is run in that folder with one word: try makes the change in such a way that a restart of the Mac would end it, keep makes it last,
# undo takes back whatever of both was begun; each may be run again after it was cut short. Everything is told by files in FOLDER:
#   state    is this script's word: armed trying loaded settling keeping undoing, and in the end kept, undone or stuck, with what
#            led to it: lost (nobody said go), unconfirmed, asked, stopped, or the verb, the number and the exit status that failed
#   go, confirm, settled, undo   are the other side's; confirm and settled hold the connection that they came over
# Deadlines are wall clock, since sleep(1) sleeps when the Mac does. launchd starts this again when it is killed: it goes on from its state.
folder=$1 label=$2 confirm=$3 settle=$4
lock=/private/var/run/macos-fleet.lock
cd "$folder" || exit 0
trap '' HUP
stopped=no
trap 'stopped=yes' TERM INT

now() { /bin/date +%s; }
become() { printf '%s\n' "$*" >state.new && /bin/mv -f state.new state; }
within() {
	deadline=$(($(now) + $1))
	printf '%s\n' "$deadline" >deadline
}
# await WORD: 0 when it was given in time; to confirm, over another connection than the one that brought the change.
await() {
	while :; do
		why=stopped
		[ "$stopped" = no ] || return 1
		why=unconfirmed
		[ "$(now)" -lt "$deadline" ] || return 1
		why=asked
		[ ! -e undo ] || return 1
		if [ -e "$1" ]; then
			[ "$1" != go ] && /usr/bin/cmp -s "$1" client && ! /usr/bin/grep -q unknown client || return 0
			/bin/rm -f "$1"
		fi
		/bin/sleep 0.1
	done
}
# each VERB N ...: the verb on these changes in turn; why says which failed.
each() {
	verb=$1
	shift
	for n; do
		(cd "$n" && /bin/sh change.sh "$verb") >>log 2>&1 </dev/null || {
			why="$verb $n $?"
			return 1
		}
	done
}
numbers=$(n=1 && while [ -d "$n" ]; do printf "%s " "$n" && n=$((n + 1)); done)
backwards=
for n in $numbers; do backwards="$n $backwards"; done
finish() {
	become "$@"
	[ "$(/usr/bin/readlink "$lock")" != "$(/bin/cat lease)" ] || /bin/rm -f "$lock"
}
# undo WHY ...: every change, also when taking back another failed.
undo() {
	cause=$*
	become undoing "$cause"
	end=undone
	for n in $backwards; do each undo "$n" || end=stuck; done
	finish "$end" "$cause"
}
keep() {
	# shellcheck disable=SC2086 # numbers are words
	if each keep $numbers; then finish kept; else undo "$why"; fi
}
wait_settled() { if await settled; then become keeping && keep; else undo "$why"; fi; }
wait_confirmed() {
	if ! await confirm; then
		undo "$why"
	elif [ "$settle" = 0 ]; then
		become keeping && keep
	else
		within $((settle + confirm)) && become settling && wait_settled
	fi
}
try() {
	# shellcheck disable=SC2086 # numbers are words
	if each try $numbers; then within "$confirm" && become loaded && wait_confirmed; else undo "$why"; fi
}

state='' cause='' deadline=0
if [ -f state ]; then read -r state cause <./state; fi
if [ -f deadline ]; then read -r deadline <./deadline; fi
case $state in
'')
	within "$confirm" && become armed
	if await go; then become trying && try; else finish undone lost; fi
	;;
armed) finish undone lost ;;
trying) undo stopped ;;
loaded) wait_confirmed ;;
settling) wait_settled ;;
keeping) keep ;;
undoing) undo "$cause" ;;
esac

# Somebody may still want to read how it ended.
within 60
while [ ! -e seen ] && [ "$stopped" = no ] && [ "$(now)" -lt "$deadline" ]; do /bin/sleep 0.1; done
cd / && /bin/rm -rf "$folder"
trap - TERM INT
exec /bin/launchctl bootout "system/$label"

# watchdog.sh FOLDER LABEL CONFIRM SETTLE: what launchd runs. In FOLDER are changes 1, 2 ..., each a folder with a script change.sh, which
# is run in that folder with one word: try makes the change in such a way that a restart of the Mac would end it, keep makes it last,
# undo takes back whatever of both was begun; each may be run again after it was cut short. Everything is told by files in FOLDER:
#   state    is this script's word: armed trying loaded settling keeping undoing, and in the end kept, undone or stuck, with what
#            led to it: lost (nobody said go), unconfirmed, asked, stopped, disk (it is full), or the verb, the number and the exit
#            status that failed
#   go, confirm, settled, undo   are the other side's; confirm and settled hold the connection that they came over
# Deadlines are wall clock, since sleep(1) sleeps when the Mac does, and the number of sleeps, since the clock may be set back. launchd
# starts this again when it is killed: it goes on from its state. Nothing is kept, and nothing goes on, that cannot be written down.
folder=$1 label=$2 confirm=$3 settle=$4
lock=/private/var/run/macos-fleet.lock
cd "$folder" || exit 0
trap '' HUP
stopped=no
trap 'stopped=yes' TERM INT

now() { /bin/date +%s; }
# become STATE ...: on a full disk what was written may be empty, and not every sh says so; a rename needs no room. Those states that have to
# be written in any case are there already.
become() {
	printf '%s\n' "$*" >state.new && [ -s state.new ] && /bin/mv -f state.new state && return 0
	if [ -f "full.$1" ] && /bin/mv -f "full.$1" state; then return 0; fi
	why=disk
	return 1
}
within() {
	deadline=$(($(now) + $1))
	printf '%s\n' "$deadline" >deadline && [ -s deadline ] && return 0
	why=disk
	return 1
}
# await WORD: 0 when it was given in time; to confirm, over another connection than those that were there before.
await() {
	sleeps=$(((deadline - $(now)) * 10))
	while :; do
		why=stopped
		[ "$stopped" = no ] || return 1
		why=unconfirmed
		[ "$(now)" -lt "$deadline" ] && [ "$sleeps" -gt 0 ] || return 1
		why=asked
		[ ! -e undo ] || return 1
		if [ -e "$1" ]; then
			fresh "$1" && return 0
			/bin/rm -f "$1"
		fi
		/bin/sleep 0.1
		sleeps=$((sleeps - 1))
	done
}
fresh() {
	case $1 in
	go) ;;
	confirm) differs "$1" client ;;
	settled) differs "$1" client && differs "$1" confirm ;;
	esac
}
# differs: on a Mac that does not say over what connection somebody came, the other side is believed.
differs() { ! /usr/bin/cmp -s "$1" "$2" || /usr/bin/grep -q unknown "$1"; }
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
release() { [ "$(/usr/bin/readlink "$lock")" != "$(/bin/cat lease)" ] || /bin/rm -f "$lock"; }
# undo WHY ...: every change, also when taking back another failed.
undo() {
	cause=$*
	become undoing "$cause"
	end=undone
	for n in $backwards; do each undo "$n" || end=stuck; done
	become "$end" "$cause"
}
# shellcheck disable=SC2086 # numbers are words
keep() { if each keep $numbers; then become kept; else undo "$why"; fi; }
wait_settled() { if await settled && become keeping; then keep; else undo "$why"; fi; }
wait_confirmed() {
	if ! await confirm; then
		undo "$why"
	elif [ "$settle" = 0 ]; then
		if become keeping; then keep; else undo "$why"; fi
	elif within $((settle + confirm)) && become settling; then
		wait_settled
	else
		undo "$why"
	fi
}
# shellcheck disable=SC2086 # numbers are words
try() { if each try $numbers && within "$confirm" && become loaded; then wait_confirmed; else undo "$why"; fi; }

state='' cause='' deadline=0
if [ -f state ]; then read -r state cause <./state; fi
if [ -s deadline ]; then read -r deadline <./deadline; fi
case $state in
'')
	if within "$confirm" && become armed && await go && become trying; then
		try
	else
		[ "$why" != unconfirmed ] || why=lost
		become undone "$why"
	fi
	;;
armed) become undone lost ;;
trying) undo stopped ;;
loaded) wait_confirmed ;;
settling) wait_settled ;;
keeping) keep ;;
undoing) undo "$cause" ;;
esac
release

# Somebody may still want to read how it ended.
linger=60
if [ "$stopped" = yes ]; then linger=5; fi
within "$linger"
was=$stopped
until [ -e seen ] || [ "$stopped" != "$was" ] || [ "$(now)" -ge "$deadline" ]; do /bin/sleep 0.1; done
/bin/rm -f watchdog.sh # first: without it nothing begins anew, whatever else is still there
cd / && /bin/rm -rf "$folder"
trap - TERM INT
exec /bin/launchctl bootout "system/$label"

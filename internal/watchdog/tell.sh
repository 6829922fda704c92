# tell.sh FOLDER LABEL WORD SECONDS STATES ...: give the watchdog in FOLDER the WORD, unless that is wait, and say what state it comes to
# that is none of STATES, within SECONDS. What follows this script is run when the changes were kept, with the rest of the arguments.
folder=$1 label=$2 word=$3 limit=$(($(/bin/date +%s) + $4)) states=$5
shift 5
# shellcheck disable=SC2154 # serve.sh sets $client
if [ -d "$folder" ] && [ "$word" != wait ]; then
	printf '%s\n' "$client" >"$folder/$word.new" && /bin/mv -f "$folder/$word.new" "$folder/$word"
fi
# A watchdog that launchd has no more undoes nothing: it is brought back for that. If launchd has it, this fails.
if [ "$word" = undo ] && [ -f "$folder/lease" ]; then
	/bin/launchctl bootstrap system "$folder/job.plist" >/dev/null 2>&1
fi
while :; do
	state=gone cause=
	if [ -d "$folder" ]; then state=arming; fi
	if [ -f "$folder/state" ]; then read -r state cause <"$folder/state"; fi
	case " $states " in *" $state "*) ;; *) break ;; esac
	[ "$(/bin/date +%s)" -lt "$limit" ] || break
	/bin/sleep 0.05
done
say state "$state" "$cause" || exit # nobody hears it, so it was not seen
say log
/bin/cat "$folder/log" 2>/dev/null
case $state in kept | undone | stuck)
	: >"$folder/seen"
	while [ "$(/bin/date +%s)" -lt "$((limit + 10))" ] && /bin/launchctl print "system/$label" >/dev/null 2>&1; do /bin/sleep 0.05; done
	;;
esac
[ "$state" = kept ] || exit 0

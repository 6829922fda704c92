# job.sh: one job of launchd's. job.plist is its property list as it is to be (missing: the job is to go), old its file as it was (missing: none).
# In args are its label; its file; the file that launchd has loaded it from (empty: it has not); whether launchd is to let go of what it
# has and to load the job anew; whether the label is disabled, yes, no, or new when only job.plist says so; how many half seconds a job may
# take to end; whether loading this one is to start it; and which word makes launchd's part: try, when a connection hangs on it, or keep.
{
	read -r label && read -r file && IFS= read -r from && read -r anew &&
		read -r disabled && read -r wait && read -r starts && read -r part
} <args || exit 73
print() { /bin/launchctl print "system/$label" 2>/dev/null; }
loaded() {
	print >/dev/null
	[ $? != 113 ]
}
# unload returns when the job is gone: bootout answers as soon as it has sent SIGTERM.
unload() {
	loaded || return 0
	out=$(/bin/launchctl bootout "system/$label" 2>&1) || { loaded || return 0; }
	n=0
	while loaded; do
		if [ "$n" -ge "$wait" ]; then
			printf '%s\n' "$out" >&2
			print | /usr/bin/grep -E '^	(state|pid) = ' >&2
			return 1
		fi
		/bin/sleep 0.5
		n=$((n + 1))
	done
}
# load FILE retries while launchd says 5 or 37, which it does for a label that is still draining, and believes print, not the status.
load() {
	for again in yes yes yes no; do
		out=$(/bin/launchctl bootstrap system "$1" 2>&1)
		code=$?
		if [ "$code" = 0 ] || loaded; then return 0; fi
		case $code,$again in 5,yes | 37,yes) /bin/sleep 1 ;; *) break ;; esac
	done
	printf '%s\n' "$out" >&2
	return 1
}
# start kicks a job that nothing has started in three seconds: seen twice after a good bootstrap, and a kick helped.
start() {
	n=0
	until print | /usr/bin/grep -q -E '^	(state = running|runs = [1-9])'; do
		[ "$n" -lt 8 ] || return 0
		if [ "$n" = 6 ]; then
			/bin/launchctl kickstart "system/$label" </dev/null >/dev/null 2>&1 &
		fi
		/bin/sleep 0.5
		n=$((n + 1))
	done
}
# permit remembers who was disabled, since launchd has no third state to go back to.
permit() {
	[ "$disabled" != yes ] || : >enabled
	[ "$disabled" = no ] || /bin/launchctl enable "system/$label"
}
# launch FILE has launchd load the job from there, or not have it any more.
launch() {
	[ ! -f job.plist ] || permit || exit 25
	[ "$anew" = yes ] || return 0
	: >begun
	unload || exit 27
	[ -f job.plist ] || return 0
	if load "$1"; then
		[ "$starts" = no ] || start
	elif stays; then exit 25; else exit 28; fi
}
# stays is whether what launchd has now can be loaded again: its file is there, or is put back first.
stays() { [ -z "$from" ] || if [ "$from" = "$file" ]; then [ -f old ]; else [ -f "$from" ]; fi; }
unchanged() {
	if [ -f old ]; then same old "$file"; else [ ! -e "$file" ]; fi || exit 20
	[ "$(print | /usr/bin/sed -n 's/^	path = //p' | /usr/bin/head -n 1)" = "$from" ] || exit 20
}
case $1 in
check)
	unchanged
	[ "$part" = keep ] || stays || exit 23
	if [ -f job.plist ]; then
		said=$(/usr/bin/plutil -lint job.plist 2>&1) || fail 22 "$said"
		spare job.plist || exit 24
	fi
	[ ! -f old ] || spare old || exit 24
	;;
try)
	[ "$part" = try ] || exit 0
	unchanged
	launch "$PWD/job.plist"
	;;
keep)
	: >kept
	if [ -f job.plist ]; then place job.plist "$file"; else /bin/rm -f "$file"; fi || exit 24
	launch "$file"
	;;
undo)
	left=0
	if [ -e kept ] && if [ -f job.plist ]; then same job.plist "$file"; else [ ! -e "$file" ]; fi; then
		if [ -f old ]; then place old "$file"; else /bin/rm -f "$file"; fi || left=26
	fi
	if [ -e begun ]; then
		[ ! -e enabled ] || permit
		unload && { [ -z "$from" ] || { stays && load "$from"; }; } || left=26
	fi
	[ ! -e enabled ] || /bin/launchctl disable "system/$label" || left=26
	exit "$left"
	;;
esac

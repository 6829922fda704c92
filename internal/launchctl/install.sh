# install.sh LABEL FILE FROM RELOAD ENABLE WAIT STARTS: make $D/plist the FILE of job LABEL, and load it. $D/old is the file as it
# was (missing: none), FROM the file that launchd has loaded it from. RELOAD is no when launchd holds this definition already;
# ENABLE is yes when the job is disabled, and new when only its new property list says so; WAIT is how many half seconds it may
# take to end; STARTS is yes when loading it is to start it.
label=$1 file=$2 from=$3 reload=$4 enable=$5 wait=$6 starts=$7
staged=${file%/*}/.$label.new
print() { /bin/launchctl print "system/$label" 2>/dev/null; }
loaded() {
	print >/dev/null
	[ $? != 113 ]
}
stage() {
	/bin/cp "$1" "$staged" && /usr/sbin/chown root:wheel "$staged" && /bin/chmod 0644 "$staged" && /usr/bin/cmp -s "$1" "$staged"
}
# stop STATUS ends an installation that failed. What was said about that comes last: whom it is for may be gone.
said='' stopped=no enabled=no
stop() {
	/bin/rm -f "$staged"
	[ "$enabled" != yes ] || /bin/launchctl disable "system/$label"
	[ -z "$said" ] || printf '%s\n' "$said" >&2
	exit "$1"
}
# unload returns when the job is gone: bootout answers as soon as it has sent SIGTERM.
unload() {
	loaded || return 0
	stopped=yes
	out=$(/bin/launchctl bootout "system/$label" 2>&1) || { loaded || return 0; }
	n=0
	while loaded; do
		if [ "$n" -ge "$wait" ]; then
			said=$out
			return 1
		fi
		/bin/sleep 0.5
		n=$((n + 1))
	done
}
# load FILE retries while launchd says 5 or 37, which it does for a label that is still draining, and believes print, not the status.
load() {
	for try in 1 2 3 4; do
		out=$(/bin/launchctl bootstrap system "$1" 2>&1)
		code=$?
		if [ "$code" = 0 ] || loaded; then return 0; fi
		case $code in
		5 | 37) [ "$try" = 4 ] || /bin/sleep 1 ;;
		*) break ;;
		esac
	done
	said=${said:-$out}
	return 1
}
# back STATUS puts back what was there, file and job. A job without a file cannot be loaded again.
back() {
	if [ ! -f "$D/old" ]; then
		/bin/rm -f "$file"
	elif ! /usr/bin/cmp -s "$D/old" "$file"; then
		stage "$D/old" && /bin/mv -f "$staged" "$file" || stop 26
	fi
	if [ "$stopped" = yes ]; then
		[ -f "$from" ] || stop 28
		load "$from" || stop 26
	fi
	stop "$1"
}

if [ -f "$D/old" ]; then /usr/bin/cmp -s "$D/old" "$file" || stop 20; else [ ! -e "$file" ] || stop 20; fi
said=$(/usr/bin/plutil -lint "$D/plist" 2>&1) || stop 22
said=''
stage "$D/plist" || stop 24
[ "$enable" = no ] || /bin/launchctl enable "system/$label" || stop 25
enabled=$enable
[ "$reload" = no ] || unload || stop 27
/bin/mv -f "$staged" "$file" || back 24
[ "$reload" = no ] || load "$file" || back 25
if [ "$starts" = yes ]; then
	n=0
	until print | /usr/bin/grep -q -E '^	(state = running|runs = [1-9])'; do
		[ "$n" -lt 6 ] || break
		/bin/sleep 0.5
		n=$((n + 1))
	done
	# A job that nothing has started in three seconds: seen twice after a good bootstrap, and a kick helped.
	if [ "$n" -ge 6 ]; then
		/bin/launchctl kickstart "system/$label" </dev/null >/dev/null 2>&1 &
	fi
fi

set -- "$label" # what follows is survey.sh

# job.sh: one job of launchd's in one domain. job.plist is its property list as it is to be (missing: the job is to go), old its file as it
# was (missing: none). In args are:
#   domain  where it is loaded (empty: nowhere, as for an agent while its user is not logged in)
#   label, file, owner  of the file, uid:gid
#   from    the file that launchd has loaded it from; empty: it has not
#   anew    whether launchd is to let go of what it has, and to load the file
#   was     whether the label is disabled: yes, no, or new when only job.plist says so
#   off     whether it is to be disabled, and not loaded: yes or no; or idle, for a job that is not for this kind of session
#   wait    how many half seconds a job may take to end
#   starts  whether loading this one is to start it
#   part    which word makes launchd's part: try, when a connection hangs on it, or keep
{
	read -r domain && read -r label && IFS= read -r file && read -r owner && IFS= read -r from && read -r anew &&
		read -r was && read -r off && read -r wait && read -r starts && read -r part
} <args || exit 73
print() { ctl print "$domain/$label" 2>/dev/null; }
# loaded believes launchd only when it says that there is no such job (113), or no such domain (112); answer is what it says.
loaded() {
	print >/dev/null
	answer=$?
	case $answer in 112 | 113) return 1 ;; esac
}
there() { ctl print "$domain" >/dev/null 2>&1 || [ $? != 112 ]; }
# told VERB STATUS WORDS: what a call of launchctl ended with, in words.
told() {
	if [ "$2" = 142 ]; then
		printf 'launchctl %s did not answer within 20 seconds.\n' "$1"
	else
		printf 'launchctl %s ended with %s. %s\n' "$1" "$2" "$3"
	fi >&2
}
# unload returns when the job is gone: bootout answers as soon as it has sent SIGTERM.
unload() {
	loaded || return 0
	out=$(ctl bootout "$domain/$label" 2>&1)
	code=$?
	n=0
	while loaded; do
		if [ "$n" -ge "$wait" ]; then
			[ "$code" = 0 ] || told bootout "$code" "$out"
			printf 'After %s seconds it is still there:\n' "$((wait / 2))" >&2
			print | /usr/bin/grep -E '^	(state|pid) = ' >&2
			return 1
		fi
		/bin/sleep 0.5
		n=$((n + 1))
		[ "$answer" != 142 ] || n=$((n + 40))
	done
}
# load FILE retries while launchd says 5 or 37, which it does for a label that is still draining, and believes print, not the status. A user who
# has logged out meanwhile gets the job at the next login.
load() {
	for again in yes yes yes no; do
		out=$(ctl bootstrap "$domain" "$1" 2>&1)
		code=$?
		if [ "$code" = 0 ] || { loaded && [ "$answer" = 0 ]; } || ! there; then return 0; fi
		case $code,$again in 5,yes | 37,yes) /bin/sleep 1 ;; *) break ;; esac
	done
	told bootstrap "$code" "$out"
	diagnose "$1" >&2
	return 1
}
# diagnose FILE: what is known to keep launchd from loading a file. Error 5, its answer to almost anything, says nothing of it.
diagnose() {
	if ctl print-disabled "$domain" 2>/dev/null | /usr/bin/grep -q -F -e "\"$label\" => true" -e "\"$label\" => disabled"; then
		printf 'The label is disabled: somebody did that just now.\n'
	fi
	if [ ! -f "$1" ]; then
		printf '%s is not there any more.\n' "$1"
		return
	fi
	mode=$(/usr/bin/stat -f '%Lp %u:%g' "$1")
	case $mode in
	?[2367]?\ * | ??[2367]\ *) printf '%s has mode and owner %s: others than its owner may write it.\n' "$1" "$mode" ;;
	*\ 0:* | *" $owner") ;;
	*) printf '%s has mode and owner %s: it belongs to somebody else.\n' "$1" "$mode" ;;
	esac
	if /usr/bin/xattr -p com.apple.quarantine "$1" >/dev/null 2>&1; then
		printf '%s is quarantined, so macOS 27 does not load it.\n' "$1"
	fi
	said=$(/usr/bin/plutil -lint "$1" 2>&1) || printf '%s\n' "$said"
	[ "$code" != 5 ] || printf '%s %s\n' 'With 5, launchd says nothing of why. The label was not in use; a device management profile or' \
		'a security product may not allow the job.'
}
# start kicks a job that nothing has started in three seconds: seen twice after a good bootstrap, and a kick helped.
start() {
	n=0
	while [ "$n" -lt 8 ]; do
		said=$(print) || return 0
		if printf '%s\n' "$said" | /usr/bin/grep -q -E '^	(state = running|runs = [1-9])'; then return 0; fi
		if [ "$n" = 6 ]; then
			ctl kickstart "$domain/$label" </dev/null >/dev/null 2>&1 &
		fi
		/bin/sleep 0.5
		n=$((n + 1))
	done
}
# flag VERB: enable or disable the label.
flag() {
	out=$(ctl "$1" "$domain/$label" 2>&1) && return 0
	told "$1" $? "$out"
	return 1
}
# permit remembers who was disabled, since launchd has no third state to go back to.
permit() {
	[ "$was" != yes ] || : >enabled
	[ "$was" = no ] || flag enable
}
# forbid disables a label that is to be.
forbid() {
	if [ -z "$domain" ] || [ "$off" != yes ] || [ "$was" = yes ]; then return 0; fi
	: >disabled
	flag disable
}
# launch FILE has launchd load the job from there, or not have it any more.
launch() {
	[ -n "$domain" ] || return 0
	if [ -f job.plist ] && [ "$off" = no ]; then permit || exit 25; fi
	[ "$anew" = yes ] || return 0
	: >begun
	unload || exit 27
	if [ ! -f job.plist ] || [ "$off" != no ]; then return 0; fi
	if load "$1"; then
		[ "$starts" = no ] || start
	elif stays; then exit 25; else exit 28; fi
}
# stays is whether what launchd has now can be loaded again: its file is there, or is put back first.
stays() { [ -z "$from" ] || if [ "$from" = "$file" ]; then [ -f old ]; else [ -f "$from" ]; fi; }
# unchanged: a link that leads nowhere is read as an empty file.
unchanged() {
	if [ -L "$file" ] && [ ! -e "$file" ]; then
		[ -f old ] && [ ! -s old ]
	elif [ -f old ]; then
		same old "$file"
	else
		[ ! -e "$file" ]
	fi || exit 20
	[ -z "$domain" ] || [ "$(print | /usr/bin/sed -n 's/^	path = //p' | /usr/bin/head -n 1)" = "$from" ] || exit 20
}
# folder makes the folder of the file, which a user's Library often lacks.
folder() {
	dir=${file%/*}
	[ -d "$dir" ] || { /bin/mkdir "$dir" && : >folder && /usr/sbin/chown "$owner" "$dir" && /bin/chmod 0755 "$dir"; }
}
# ours is false for a folder that a user has replaced by a link, which would lead root elsewhere.
ours() { [ "$owner" = 0:0 ] || { [ ! -L "${file%/*}" ] && [ ! -L "${file%/Library*}/Library" ]; }; }
# aside FROM: a copy that place moves.
aside() { spare "$1" && /usr/sbin/chown "$owner" "$1.new"; }
case $1 in
check)
	ours || fail 29 "${file%/*}, or what it is in, is a symbolic link."
	unchanged
	[ "$part" = keep ] || stays || exit 23
	if [ -f job.plist ]; then
		said=$(/usr/bin/plutil -lint job.plist 2>&1) || fail 22 "$said"
		aside job.plist || exit 24
	fi
	[ ! -f old ] || aside old || exit 24
	;;
try)
	[ "$part" = try ] || exit 0
	unchanged
	launch "$PWD/job.plist"
	;;
keep)
	if [ -f job.plist ]; then
		folder || exit 24
		: >kept
		place job.plist "$file"
	else
		: >kept
		/bin/rm -f "$file"
	fi || exit 24
	launch "$file"
	forbid || exit 25
	;;
undo)
	left=0
	[ ! -e disabled ] || flag enable || left=26
	if [ -e kept ] && if [ -f job.plist ]; then same job.plist "$file"; else [ ! -e "$file" ]; fi; then
		if [ -f old ]; then place old "$file"; else /bin/rm -f "$file"; fi || left=26
	fi
	[ ! -e folder ] || /bin/rmdir "${file%/*}" 2>/dev/null
	if [ -e begun ]; then
		[ ! -e enabled ] || permit
		unload && { [ -z "$from" ] || { stays && load "$from"; }; } || left=26
	fi
	[ ! -e enabled ] || flag disable || left=26
	exit "$left"
	;;
esac

# survey.sh PLACE USER [LABEL ...]: jobs of a place: daemons; agents; or, with a USER, that user's own. With labels those of these labels and,
# if they are in trouble, the end of their logs; without labels all in the place's folder and all others that are loaded where those
# are loaded, but for Apple's and for the apps that run.
place=$1 user=$2
shift 2
# screens: the users who may be logged in at the screen: who has the console, and, after a quick switch of users, whose login window there
# is. That each has a process loginwindow of the own was not seen on a Mac.
screens() {
	{
		/usr/bin/stat -f %u /dev/console
		/bin/ps -axo uid=,comm= | /usr/bin/sed -n 's|^ *\([0-9][0-9]*\) .*/loginwindow$|\1|p'
	} 2>/dev/null | /usr/bin/sort -n -u
}
hung=no
# asked STATUS ...: whether launchctl answered. When it hangs, launchd answers nobody, so nothing more is asked.
asked() {
	[ "$1" = 142 ] || return 0
	shift
	hung=yes
	say hung "$*"
}
domain() {
	ctl print "$1" >/dev/null 2>&1
	code=$?
	if asked "$code" print "$1" && [ "$code" = 0 ]; then
		domains="$domains $1"
		say domain "$1" "$(/usr/bin/id -un "${1#*/}")"
		ctl print-disabled "$1" 2>/dev/null
		asked $? print-disabled "$1"
	fi
}
domains=''
dir=''
case $place in
daemons)
	dir=/Library/LaunchDaemons
	say place 0:0 "$dir"
	domains=system
	say domain system
	ctl print-disabled system 2>/dev/null
	asked $? print-disabled system
	;;
agents)
	if [ -z "$user" ]; then
		dir=/Library/LaunchAgents
		say place 0:0 "$dir"
		# Below 500 are root, who has the console while nobody does, and macOS's own, such as Setup Assistant's.
		for uid in $(screens); do [ "$uid" -lt 500 ] || domain "gui/$uid"; done
	elif uid=$(/usr/bin/id -u "$user" 2>/dev/null) && dir=$(home "$user") && [ -n "$dir" ]; then
		dir=$dir/Library/LaunchAgents
		say place "$uid:$(/usr/bin/id -g "$user")" "$dir"
		domain "gui/$uid"
	else
		say nobody
	fi
	;;
esac

file() {
	if [ -e "$dir/$1.plist" ] || [ -L "$dir/$1.plist" ]; then
		say file "$(/usr/bin/stat -f '%p %u:%g' "$dir/$1.plist")" "$1"
		/bin/cat "$dir/$1.plist" 2>/dev/null
		if /usr/bin/xattr -p com.apple.quarantine "$dir/$1.plist" >/dev/null 2>&1; then say quarantine "$1"; fi
	fi
}
# loaded DOMAIN LABEL: what launchd has.
loaded() {
	[ "$hung" = no ] || return 0
	say print "$1" "$2"
	ctl print "$1/$2" 2>/dev/null
	asked $? print "$1/$2"
}
job() {
	file "$1"
	for domain in $domains; do loaded "$domain" "$1"; done
}
# troubled reads what print says: whether the job does not run, and not because it has done its work.
troubled() { /usr/bin/grep -q -E '^	(last exit code = ([1-9]|[1-9][0-9]+)(:|$)|job state = spawn failed|state = spawn scheduled|last exit reason = )'; }
# log DOMAIN LABEL: the end of the log of a job in trouble. Only a file is read, for a pipe may be empty for ever, and a link may lead anywhere.
log() {
	text=$(ctl print "$1/$2" 2>/dev/null)
	printf '%s\n' "$text" | troubled || return 0
	for stream in stderr stdout; do
		path=$(printf '%s\n' "$text" | /usr/bin/sed -n "s/^	$stream path = //p" | /usr/bin/head -n 1)
		if [ -s "$path" ] && [ -f "$path" ] && [ ! -L "$path" ]; then
			say log "$1" "$2 $path"
			/usr/bin/tail -c 2000 "$path" | /usr/bin/tail -n 5
			return 0
		fi
	done
}

if [ $# -gt 0 ]; then
	for label; do
		job "$label"
		[ "$hung" = yes ] || for domain in $domains; do log "$domain" "$label"; done
	done
else
	for path in "$dir"/*.plist; do
		label=${path##*/}
		if [ -e "$path" ] || [ -L "$path" ]; then job "${label%.plist}"; fi
	done
	for domain in $domains; do
		[ "$hung" = yes ] || others "$domain" | while read -r pid status label; do
			case $label in
			'' | '{' | Label | com.apple.* | com.openssh.sshd | application.*) ;;
			*) [ -e "$dir/$label.plist" ] || loaded "$domain" "$label" ;;
			esac
		done
	done
fi
: # what there is to read was said; the last status says nothing

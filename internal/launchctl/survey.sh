# Jobs: with arguments those of these labels, without arguments all in /Library/LaunchDaemons and all other loaded ones that
# are not Apple's.
dir=/Library/LaunchDaemons
job() {
	if [ -e "$dir/$1.plist" ] || [ -L "$dir/$1.plist" ]; then
		say file "$(/usr/bin/stat -f '%p %u:%g' "$dir/$1.plist") $1"
		/bin/cat "$dir/$1.plist" 2>/dev/null
		if /usr/bin/xattr -p com.apple.quarantine "$dir/$1.plist" >/dev/null 2>&1; then say quarantine "$1"; fi
	fi
	say print "$1"
	/bin/launchctl print "system/$1" 2>/dev/null
}

say disabled
/bin/launchctl print-disabled system 2>/dev/null
if [ $# -gt 0 ]; then
	for label; do job "$label"; done
else
	for path in "$dir"/*.plist; do
		label=${path##*/}
		[ ! -e "$path" ] || job "${label%.plist}"
	done
	/bin/launchctl list | while read -r pid status label; do
		case $label in
		com.apple.* | com.openssh.sshd | Label) ;;
		*) [ -e "$dir/$label.plist" ] || job "$label" ;;
		esac
	done
fi
: # what there is to read was said; the last status says nothing

# list.sh DOMAIN LABEL PREFIX APPLE: the jobs of a domain: that of this LABEL, or, if it is empty, all whose labels begin with PREFIX; unless
# APPLE is yes, without Apple's and without the apps that run.
domain=$1 label=$2 prefix=$3 apple=$4
ctl print "$domain" >/dev/null 2>&1
code=$?
if [ "$code" = 142 ]; then
	say hung print "$domain"
	exit 0
elif [ "$code" != 0 ]; then
	say nodomain
	exit 0
fi
say disabled
ctl print-disabled "$domain" 2>/dev/null
wanted() {
	case $1 in
	'' | '{' | Label) return 1 ;;
	com.apple.* | com.openssh.sshd | application.*) [ "$apple" = yes ] || return 1 ;;
	esac
	case $1 in "$prefix"*) ;; *) return 1 ;; esac
}
# files: the property lists that launchd loads into the domain. (Those of macOS itself have other names than their labels.)
files() {
	case $domain in
	system) set -- /Library/LaunchDaemons ;;
	gui/*)
		name=$(home "$(/usr/bin/id -un "${domain#*/}")")
		set -- /Library/LaunchAgents ${name:+"$name/Library/LaunchAgents"}
		;;
	*) set -- ;;
	esac
	for dir; do
		for path in "$dir"/*.plist; do
			name=${path##*/}
			if [ -e "$path" ] && wanted "${name%.plist}"; then say file "$path"; fi
		done
	done
}
held() {
	say print "$1"
	ctl print "$domain/$1" 2>/dev/null
	[ $? != 142 ] || say hung print "$domain/$1"
}
if [ -n "$label" ]; then
	prefix=$label apple=yes
	files
	held "$label"
else
	files
	others "$domain" | while read -r pid status name; do
		if wanted "$name"; then held "$name"; fi
	done
fi
:

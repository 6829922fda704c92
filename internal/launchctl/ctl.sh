# ctl.sh stands before the other scripts here.
# ctl ...: launchctl, which can hang, for 20 seconds at most; its status is 142 then. A Mac has no timeout(1), but perl's alarm outlives
# exec. Without perl, which Apple calls deprecated, there is no limit but that of the whole script.
ctl() {
	if [ -x /usr/bin/perl ]; then
		/usr/bin/perl -e 'alarm shift; exec @ARGV' 20 /bin/launchctl "$@"
	else
		/bin/launchctl "$@"
	fi
}
# others DOMAIN: all jobs that launchd has there, each as its process, how it last ended, and its label. (list knows no domain, and print
# shows them in a block.)
others() {
	if [ "$1" = system ]; then ctl list; else ctl print "$1" | /usr/bin/sed -n '/^	services = {/,/^	}/p'; fi 2>/dev/null
}
# home USER: the user's home folder; nothing if the Mac does not know. (A value with a blank in it stands on a line of its own.)
home() {
	/usr/bin/dscl /Search -read "/Users/$1" NFSHomeDirectory 2>/dev/null |
		/usr/bin/sed -n 's/^NFSHomeDirectory://;s/^ //;/^\/./p' | /usr/bin/head -n 1
}

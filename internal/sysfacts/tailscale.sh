# Which Tailscale this Mac has, and what it says. Its command-line program is asked for no more than a few seconds, since it may wait for a
# daemon or a window; what it complains of says nothing that an empty answer does not. perl kills it, with
# what it has started: an alarm alone does not end programs in Go.
exec 2>/dev/null
limit='my $t = shift; my $p = fork // exit 126; unless ($p) { setpgrp; exec @ARGV; exit 127 }
$SIG{ALRM} = sub { kill -9, $p; exit 124 }; alarm $t; waitpid $p, 0; exit($? >> 8)'
# ask USER CLI ARGUMENTS...: as that user, since the apps answer whoever they run for. TAILSCALE_BE_CLI keeps them from showing a window.
ask() {
	as=$1
	shift
	/usr/bin/sudo -n -H -u "$as" /usr/bin/perl -e "$limit" 10 /usr/bin/env TAILSCALE_BE_CLI=1 "$@" </dev/null
}

status=
for dir in /usr/local/bin /opt/homebrew/bin /opt/local/bin; do
	[ -x "$dir/tailscaled" ] || continue
	say daemon "$dir/tailscaled"
	if [ -x "$dir/tailscale" ] && [ -e /var/run/tailscaled.socket ]; then
		status=$(ask root "$dir/tailscale" status --json)
		say status daemon
		printf '%s\n' "$status"
		say prefs
		ask root "$dir/tailscale" debug prefs
	fi
	break
done
app=/Applications/Tailscale.app/Contents
if [ -e "$app/Info.plist" ]; then
	say app
	/usr/bin/plutil -convert xml1 -o - -- "$app/Info.plist"
	# The one from the App Store answers only the user at the screen, and the other one all who may read its files.
	for user in "$(/usr/bin/stat -f %Su /dev/console)" root; do
		[ -z "$status" ] && [ -n "$user" ] || continue
		status=$(ask "$user" "$app/MacOS/Tailscale" status --json)
		say status app
		printf '%s\n' "$status"
	done
fi
: # what there is to read was said; the last status says nothing

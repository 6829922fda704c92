# How pf is: enabled or not and for how long, who holds references to it, what it has counted, and its limits.
# pfctl's show commands exit with 0 when they fail, and say why on stderr: so both streams are kept.
show() { /sbin/pfctl -q "$@" 2>&1; }
# pfctl says how many seconds ago something was, by a clock of whole seconds. It is read within one of them, so that every reading makes
# the same moment of it.
tries=0
now=before
until [ "$now" = "$(/bin/date +%s)" ] || [ "$tries" = 5 ]; do
	now=$(/bin/date +%s)
	info=$(show -s info)
	references=$(show -s References)
	tries=$((tries + 1))
done
say now "$now"
say info
printf '%s\n' "$info"
say references
printf '%s\n' "$references"
say token
/bin/cat /private/var/run/macos-fleet.pf.token 2>/dev/null
say limits
show -s memory
: # the last status says nothing

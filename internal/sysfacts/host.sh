# What this Mac is, and whether it stays reachable. A tool that is missing or fails leaves its record empty.
exec 2>/dev/null
say user "$0" # serve.sh is called so
say model
/usr/sbin/sysctl -n hw.model
say chip
/usr/sbin/sysctl -n machdep.cpu.brand_string
say architecture
/usr/bin/uname -m
say macos
/usr/bin/sw_vers
say boot
/usr/sbin/sysctl -n kern.boottime
for name in ComputerName LocalHostName HostName; do
	say "$name"
	/usr/sbin/scutil --get "$name"
done
say filevault
/usr/bin/fdesetup status
say sip
/usr/bin/csrutil status
say power
/usr/bin/pmset -g custom
/usr/bin/pmset -g
: # what there is to read was said; the last status says nothing

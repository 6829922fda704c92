# How this Mac is connected: its interfaces, the routes that take most of the Internet, and the ends of this connection.
# shellcheck disable=SC2154 # serve.sh sets $client: the ends of this connection, as sshd sees them
say path "$client"
say interfaces
/sbin/ifconfig -a
say routes
/usr/sbin/netstat -rn | /usr/bin/grep -e '^Internet' -e '^default ' -e '^[0-9a-f.:]*/[123] '
: # what there is to read was said; the last status says nothing

# change.sh stands before the script of every change.
same() { /usr/bin/cmp -s "$1" "$2"; }
fail() {
	printf '%s\n' "$2" >&2
	exit "$1"
}
# spare FROM: a copy of FROM for place to move, made while nothing has changed, so that the disk has room for it.
spare() { /bin/cp "$1" "$1.new" && /usr/sbin/chown root:wheel "$1.new" && /bin/chmod 0644 "$1.new" && same "$1" "$1.new"; }
# place FROM TO: the spare copy of FROM becomes TO at one stroke; if it was moved before, nothing. All of /private is one volume as far as
# is known, and /Library is on it, where mv is a rename; if it is not, the copy is made beside TO first.
place() {
	[ -e "$1.new" ] || return 0
	if [ "$(/usr/bin/stat -f %d "$1.new")" = "$(/usr/bin/stat -f %d "${2%/*}")" ]; then
		/bin/mv -f "$1.new" "$2"
		return $?
	fi
	beside=${2%/*}/.${2##*/}.new
	/bin/cp -p "$1.new" "$beside" && same "$1" "$beside" && /bin/mv -f "$beside" "$2" || {
		/bin/rm -f "$beside"
		return 1
	}
	/bin/rm -f "$1.new"
}

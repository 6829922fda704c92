# scan.sh ADDRESS SECONDS: connect to ports of an address, those of each line of $D/ports one after the other ("22 80-90"), those of
# different lines at the same time, and say what nc says of each, which is on stderr.
address=$1 seconds=$2
ask() {
	for range; do
		LC_ALL=C /usr/bin/nc -n -v -z -G "$seconds" -w "$seconds" "$address" "$range" </dev/null 2>&1
	done
}
n=0
while IFS= read -r ports; do
	n=$((n + 1))
	# shellcheck disable=SC2086 # ports are words
	ask $ports >"$D/scan.$n" &
done <"$D/ports"
wait
while [ "$n" -gt 0 ]; do
	say ports
	/bin/cat "$D/scan.$n"
	n=$((n - 1))
done
: # nc ends with 1 for every port that is not open

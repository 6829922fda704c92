# direct.sh CHANGES ...: make the CHANGES in $D, numbered from 1, without a watchdog: for those that no connection depends on. What follows
# this script is run when they were kept, with the rest of the arguments.
changes=$1
shift
for file in "$D"/[1-9]*; do
	name=${file##*/}
	[ -d "$D/${name%%.*}" ] || /bin/mkdir "$D/${name%%.*}" || exit 73
	/bin/mv "$file" "$D/${name%%.*}/${name#*.}" || exit 73
done
# back N WHY ...: undo what was begun, up to change N.
back() {
	end=undone last=$1
	shift
	while [ "$last" -gt 0 ]; do
		(cd "$D/$last" && /bin/sh change.sh undo) || end=stuck
		last=$((last - 1))
	done
	say state "$end" "$*"
	exit 0
}
for verb in check try keep; do
	n=1
	while [ "$n" -le "$changes" ]; do
		[ "$verb" != check ] || say check "$n"
		(cd "$D/$n" && /bin/sh change.sh "$verb")
		status=$?
		case $verb,$status in
		*,0) ;;
		check,*) exit "$status" ;;
		try,*) back "$n" "$verb $n $status" ;;
		*) back "$changes" "$verb $n $status" ;;
		esac
		n=$((n + 1))
	done
done
say state kept

# conf.sh: /etc/pf.conf. args holds yes, or main when the main ruleset is to be loaded as well. conf is the new text and old the one that is
# there; load is what to load of conf, which lacks our lines that load anchors from their files: those are loaded already, or have no
# file yet. undo is the same of old.
file=/etc/pf.conf
read -r main <args || exit 73
# shellcheck disable=SC2154 # change.sh sets $verb
case $verb in
check)
	same old "$file" && [ ! -L "$file" ] || exit 21
	pfctl -n -f load || exit 23
	same old conf || { spare conf && spare old; } || exit 24
	;;
try)
	same old "$file" || exit 21
	[ "$main" = main ] || exit 0
	: >tried
	load -f load || exit 25
	;;
keep)
	: >kept
	place conf "$file" || exit 24
	;;
undo)
	if [ -e kept ] && same conf "$file"; then place old "$file" || exit 26; fi
	[ ! -e tried ] || load -f undo || exit 26
	;;
esac

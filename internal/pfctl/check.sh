# What the rules in $D/rules would load to in anchor $1, without loading them.
say check
/sbin/pfctl -q -o none -nv -a "$1" -f - <"$D/rules" 2>&1
say checked $?

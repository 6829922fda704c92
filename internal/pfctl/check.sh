# What the rules in $D/1.rules, $D/2.rules ... would load to in the anchors that the arguments name, without loading them.
n=1
for name; do
	if [ -f "$D/$n.rules" ]; then
		say check "$name"
		/sbin/pfctl -q -o none -nv -a "$name" -f - <"$D/$n.rules" 2>&1
		say checked "$name" $?
	fi
	n=$((n + 1))
done
: # the last status says nothing

# Which ports are open: those of TCP that a program listens on, and those of UDP. lsof ends with 1 also when it has nothing to show; what
# it complains of is kept, to be told if it shows nothing else.
say tcp
/usr/sbin/lsof -nP -iTCP -sTCP:LISTEN -FpcLPn 2>&1
say udp
/usr/sbin/lsof -nP -iUDP -FpcLPn 2>&1
: # what there is to read was said; the last status says nothing

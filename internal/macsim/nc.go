package macsim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func init() { programs(map[string]command{"/usr/bin/nc": nc}) }

// nc is nc -z: it connects to ports of this machine's loopback, one after the other, in reality. Other addresses are not modelled, nor does
// the Mac's own pf have a say.
func nc(ctx context.Context, m *Mac, p *process) int {
	set, args, ok := p.flags("nvzG:w:46")
	if !ok || len(args) != 2 {
		return p.usage("nc [-46AacCDdEFhklMnOortUuvz] [-K tc] [-b boundif] [-i interval] [-p source_port]\n\t  [--apple-delegate-pid pid] "+
			"[--apple-delegate-uuid uuid]\n\t  [-s source_ip_address] [-w timeout] [-X proxy_version]\n\t  [-x proxy_address[:port]] [hostname] [port[s]]", 1)
	}
	addr, err := netip.ParseAddr(args[0])
	if _, scans := set['z']; !scans || err != nil || !addr.IsLoopback() {
		return p.errorf("macsim: nc other than -z to an address of the loopback is not modelled")
	}
	first, last, isRange := strings.Cut(args[1], "-")
	if !isRange {
		last = first
	}
	from, errFrom := strconv.ParseUint(first, 10, 16)
	to, errTo := strconv.ParseUint(last, 10, 16)
	if errFrom != nil || errTo != nil || from == 0 || to == 0 {
		return p.errorf("port number invalid: %s", args[1])
	}
	seconds, err := strconv.Atoi(set['G'])
	if err != nil {
		seconds = 75
	}
	dialer := net.Dialer{Timeout: time.Duration(seconds) * m.Second}
	status := 1
	for port := from; port <= to; port++ {
		conn, err := dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(addr, uint16(port)).String())
		if err == nil {
			conn.Close()
			fmt.Fprintf(p.Stderr, "Connection to %s port %d [tcp/*] succeeded!\n", addr, port)
			status = 0
			continue
		}
		why := "Operation timed out"
		if errors.Is(err, syscall.ECONNREFUSED) {
			why = "Connection refused"
		}
		if _, verbose := set['v']; verbose {
			fmt.Fprintf(p.Stderr, "nc: connectx to %s port %d (tcp) failed: %s\n", addr, port, why)
		}
	}
	return status
}

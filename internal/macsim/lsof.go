package macsim

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

func init() { programs(map[string]command{"/usr/sbin/lsof": lsof}) }

// Socket is an open port of a program.
type Socket struct {
	Protocol string // TCP, which listens then, or UDP
	IPv6     bool
	Name     string // *:22, 127.0.0.1:631, [::1]:631; with a scope in it for addresses of a link: [fe80:4::1]:22
	PID      int
	Process  string
	UID      int
}

// sockets are those of launchd, for its jobs, and then Sockets or, if that is nil, those of a Mac like any other.
func (m *Mac) sockets() []Socket {
	all := m.launchd.sockets()
	if m.Sockets != nil {
		return append(all, m.Sockets...)
	}
	for _, v6 := range []bool{false, true} {
		all = append(all,
			Socket{"UDP", v6, "*:5353", 173, "mDNSResponder", 65},
			Socket{"TCP", v6, "*:49152", 612, "rapportd", 501})
	}
	return append(all, Socket{"UDP", false, "*:*", 612, "rapportd", 501})
}

// sockets are those that launchd holds for the jobs that it has, each by two descriptors. One without a node is open on all addresses, of
// both families.
func (l *launchdState) sockets() []Socket {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []Socket
	for _, label := range slices.Sorted(maps.Keys(l.jobs)) {
		sockets, _ := l.jobs[label].dict.Get("Sockets").(plist.Dict)
		for _, entry := range sockets {
			list, ok := entry.Value.(plist.Array)
			if !ok {
				list = plist.Array{entry.Value}
			}
			for _, value := range list {
				if dict, ok := value.(plist.Dict); ok {
					open := socketsOf(dict)
					all = append(all, slices.Concat(open, open)...)
				}
			}
		}
	}
	return all
}

func socketsOf(dict plist.Dict) []Socket {
	service := fmt.Sprint(dict.Get("SockServiceName"))
	port, err := strconv.Atoi(service)
	if err != nil {
		if port = portOf(service); port == 0 {
			return nil // a path, or a service that nobody knows
		}
	}
	s := Socket{Protocol: "TCP", PID: 1, Process: "launchd"}
	if kind, _ := dict.Get("SockType").(string); kind == "dgram" {
		s.Protocol = "UDP"
	}
	node, _ := dict.Get("SockNodeName").(string)
	family, _ := dict.Get("SockFamily").(string)
	var all []Socket
	for _, v6 := range []bool{true, false} {
		s.IPv6 = v6
		addr, err := netip.ParseAddr(node)
		switch {
		case family == "IPv4" && v6, family == "IPv6" && !v6, err == nil && addr.Is6() != v6:
			continue
		case node == "localhost" && v6:
			s.Name = fmt.Sprintf("[::1]:%d", port)
		case node == "localhost":
			s.Name = fmt.Sprintf("127.0.0.1:%d", port)
		case err == nil:
			s.Name = netip.AddrPortFrom(addr, uint16(port)).String()
		default:
			s.Name = fmt.Sprintf("*:%d", port)
		}
		all = append(all, s)
	}
	return all
}

// portOf is the port of a TCP service in /etc/services; 0 if there is none.
func portOf(service string) int {
	for line := range strings.Lines(stockServices) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != service {
			continue
		}
		number, proto, _ := strings.Cut(fields[1], "/")
		if n, err := strconv.Atoi(number); err == nil && proto == "tcp" {
			return n
		}
	}
	return 0
}

// lsof is 4.91, which all versions of macOS have. It shows the ports of TCP that are listened on (-iTCP -sTCP:LISTEN) or those of UDP
// (-iUDP), always as -nP does: in columns, or with -F as fields, one a line. Who is not root sees what is his. Apple's was not at hand when
// this was written; the fields and their order are those of lsof 4.95 on another system.
func lsof(_ context.Context, m *Mac, p *process) int {
	set, args, ok := p.flags("nPwi:s:F:")
	if !ok || len(args) > 0 || set['n'] == "" || set['P'] == "" || set['i'] != "UDP" && (set['i'] != "TCP" || set['s'] != "TCP:LISTEN") {
		return p.errorf("macsim: this use of lsof is not modelled")
	}
	sockets := slices.DeleteFunc(m.sockets(), func(s Socket) bool { return s.Protocol != set['i'] || p.UID != 0 && p.UID != s.UID })
	slices.SortStableFunc(sockets, func(a, b Socket) int { return a.PID - b.PID })
	if len(sockets) == 0 {
		return 1
	}
	if set['F'] == "" {
		fmt.Fprintln(p.Stdout, "COMMAND     PID            USER   FD   TYPE             DEVICE SIZE/OFF NODE NAME")
	}
	for i, s := range sockets {
		family, state := "IPv4", ""
		if s.IPv6 {
			family = "IPv6"
		}
		if s.Protocol == "TCP" {
			state = "LISTEN"
		}
		if set['F'] == "" {
			fmt.Fprintf(p.Stdout, "%-9.9s %5d %15s %4du  %s 0x%x      0t0  %s %s",
				s.Process, s.PID, m.userName(s.UID), 7+i, family, 0x4770fd006dd6d93+i, s.Protocol, s.Name)
			if state != "" {
				fmt.Fprintf(p.Stdout, " (%s)", state)
			}
			fmt.Fprintln(p.Stdout)
			continue
		}
		field := func(letter byte, text string) {
			if letter == 'p' || letter == 'f' || strings.IndexByte(set['F'], letter) >= 0 {
				fmt.Fprintf(p.Stdout, "%c%s\n", letter, text)
			}
		}
		if i == 0 || sockets[i-1].PID != s.PID {
			field('p', strconv.Itoa(s.PID))
			field('c', s.Process)
			field('u', strconv.Itoa(s.UID))
			field('L', m.userName(s.UID))
		}
		field('f', strconv.Itoa(7+i))
		field('t', family)
		field('P', s.Protocol)
		field('n', s.Name)
		if state != "" {
			field('T', "ST="+state)
		}
		field('T', "QR=0")
		field('T', "QS=0")
	}
	return 0
}

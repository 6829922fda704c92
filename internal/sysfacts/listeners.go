package sysfacts

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

//go:embed listeners.sh
var listenersScript string

// Listener is a port that a program holds open: one of TCP that it listens on, or one of UDP that is not connected to somebody.
//
// What lsof does not show is not seen: sockets that the kernel holds by itself, and whether one is bound to an interface beyond its
// address.
type Listener struct {
	Protocol string     // tcp or udp
	Addr     netip.Addr // zero: all addresses of the Mac
	Port     int
	Scope    int // of an address of a link: the Index of its interface; 0: not known
	PID      int
	Process  string // its name as the kernel has it, shortened to 16 or 32 bytes
	User     string // "": not known
	Launchd  bool   // launchd holds the same port, as it does for its jobs with sockets: for sshd, and for what it has started so
}

// LookAtListeners returns who listens on h, sorted by port, by one remote call that all who ask share.
func LookAtListeners(ctx context.Context, h *remote.Host) ([]Listener, error) {
	return remote.Ask(ctx, h, "listeners", func(ctx context.Context) ([]Listener, error) {
		result, err := h.Run(ctx, remote.Cmd{Script: listenersScript})
		if err != nil {
			return nil, fmt.Errorf("sysfacts: reading who listens: %w", err)
		}
		all, err := parseListeners(result.Records)
		if err != nil {
			return nil, fmt.Errorf("%s does not say who listens there: %w", h.Name(), err)
		}
		return all, nil
	})
}

// Exposed reports whether the port is open on all addresses of the Mac, or on one that is public. Whether a firewall lets anybody
// reach it is another matter.
func (l Listener) Exposed() bool { return !l.Addr.IsValid() || Public(l.Addr) }

// Interface is the name of the interface whose address the port is open on; "" when it is open on all, or nobody has that address.
func (l Listener) Interface(n *Network) string {
	for _, i := range n.Interfaces {
		for _, a := range i.Addrs {
			if a.Prefix.Addr() == l.Addr && (l.Scope == 0 || l.Scope == i.Index) {
				return i.Name
			}
		}
	}
	return ""
}

// parseListeners reads lsof's fields: a process has lines p (id), c (name) and L (user), and then, for each of its files, f, P
// (protocol) and n (name). What it says otherwise begins with "lsof:", or is the shell's if there is no lsof; it is an error when there is
// nothing else.
func parseListeners(records []remote.Record) ([]Listener, error) {
	var all []Listener
	for _, r := range records {
		var l Listener
		seen := false
		for _, line := range lines(r.Body) {
			if line == "" || strings.HasPrefix(line, "lsof: ") {
				continue
			}
			switch value := line[1:]; line[0] {
			case 'p':
				pid, err := strconv.Atoi(value)
				if err != nil {
					continue
				}
				l, seen = Listener{PID: pid}, true
			case 'c':
				l.Process = unescape(value)
			case 'L':
				l.User = value
			case 'P':
				l.Protocol = strings.ToLower(value)
			case 'n':
				var ok bool
				if l.Addr, l.Scope, l.Port, ok = socketOf(value); ok && seen {
					all = append(all, l)
				}
			}
		}
		if said := strings.TrimSpace(string(r.Body)); !seen && said != "" {
			return nil, errors.New(said)
		}
	}
	slices.SortStableFunc(all, Listener.compare)
	all = slices.CompactFunc(all, func(a, b Listener) bool { return a.compare(b) == 0 })
	for i, l := range all {
		all[i].Launchd = slices.ContainsFunc(all, func(o Listener) bool {
			return o.PID == 1 && o.Protocol == l.Protocol && o.Addr == l.Addr && o.Port == l.Port && o.Scope == l.Scope
		})
	}
	return all, nil
}

// compare orders by port, and is 0 for one port of one process: that of IPv4 and that of IPv6 are one when they are open on all addresses,
// and a process can have several descriptors of one.
func (l Listener) compare(o Listener) int {
	return cmp.Or(cmp.Compare(l.Port, o.Port), cmp.Compare(l.Protocol, o.Protocol), l.Addr.Compare(o.Addr), cmp.Compare(l.Scope, o.Scope),
		cmp.Compare(l.PID, o.PID))
}

// socketOf reads *:22, 127.0.0.1:631 or [::1]:631. Of an address of a link, the kernel keeps the interface's index within the address, and
// lsof prints it so: [fe80:4::1]:22. A socket that is connected, or has no port yet, is none that anybody can speak to.
func socketOf(name string) (addr netip.Addr, scope, port int, ok bool) {
	i := strings.LastIndexByte(name, ':')
	if i < 0 || strings.Contains(name, "->") {
		return addr, 0, 0, false
	}
	port, err := strconv.Atoi(name[i+1:])
	if err != nil {
		return addr, 0, 0, false
	}
	host := strings.Trim(name[:i], "[]")
	if host == "*" {
		return addr, 0, port, true
	}
	addr, ok = plainAddr(host)
	if b := addr.As16(); ok && addr.Is6() && addr.IsLinkLocalUnicast() && (b[2] != 0 || b[3] != 0) {
		scope = int(b[2])<<8 | int(b[3])
		b[2], b[3] = 0, 0
		addr = netip.AddrFrom16(b)
	}
	if addr.IsValid() && addr.IsUnspecified() {
		addr = netip.Addr{}
	}
	return addr, scope, port, ok
}

// unescape reads the bytes that lsof prints as \xHH because they are no printable characters, as it does for blanks on some systems.
func unescape(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if strings.HasPrefix(text[i:], `\x`) && i+4 <= len(text) {
			if n, err := strconv.ParseUint(text[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}

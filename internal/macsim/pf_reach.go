package macsim

import (
	"net/netip"

	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
)

// somePort is a port that clients are given.
const somePort = 49152

// A fate is what becomes of a packet.
type fate int

const (
	passed  fate = iota
	dropped      // Nobody hears of it.
	reset        // pf answers the sender: connection refused, or reset.
)

// Reaches says whether a new connection, or for UDP a first packet, that comes in on an interface from an address to a port
// of the Mac is answered: both ways must pass, with the state that the first makes. With pf disabled everything is
// answered. The service belongs to root. What depends on chance is not answered.
//
// The state stays, as after a real connection.
func (m *Mac) Reaches(iface string, from, to netip.Addr, proto string, port uint16) bool {
	in := pf.Packet{Direction: pf.In, Interface: iface, Src: netip.AddrPortFrom(from, somePort), Dst: netip.AddrPortFrom(to, port)}
	switch proto {
	case "tcp":
		in.Proto, in.Flags = 6, pf.SYN
	case "udp":
		in.Proto = 17
	default:
		return false
	}
	host := m.host
	if over := m.over(iface); over != nil && !(over.carries(&m.pf, host, pf.In) && over.carries(&m.pf, host, pf.Out)) {
		return false
	}
	got, fate := m.pf.ask(host, in)
	if fate != passed {
		return false
	}
	out := pf.Packet{Direction: pf.Out, Interface: iface, Proto: in.Proto, Src: got.Dst, Dst: got.Src}
	if proto == "tcp" {
		out.Flags = pf.SYN | pf.ACK
	}
	_, fate = m.pf.ask(host, out)
	return fate == passed
}

// ask says what pf does with a packet of one of root's sockets, and how the packet goes on. It keeps the state that the packet
// makes. With pf disabled everything passes.
func (s *pfState) ask(h *pf.Host, p pf.Packet) (pf.Packet, fate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.enabled {
		return p, passed
	}
	p.Owner = &pf.Owner{}
	got := s.kernel.Test(h, p)
	if got.State != nil { // It may be a new one.
		s.announce()
	}
	switch {
	case got.Verdict == pf.Passed:
		return got.Packet, passed
	case got.Verdict == pf.Blocked && got.Rule != nil && (got.Rule.Return == pf.ReturnAny || got.Rule.Return == pf.ReturnRST):
		return got.Packet, reset
	}
	return got.Packet, dropped
}

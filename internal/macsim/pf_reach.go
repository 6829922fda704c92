package macsim

import (
	"net/netip"

	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
)

// Ports and flags of the packets that stand for a connection.
const (
	somePort = 49152
	synAck   = pf.SYN | pf.ACK
)

// Reaches says whether a new connection, or for UDP a first packet, that comes in on an interface from an address to a port
// of the Mac is answered: both ways must pass, with the state that the first makes. With pf disabled everything is
// answered. The service belongs to root. What depends on chance is not answered.
//
// The state stays, as after a real connection.
func (m *Mac) Reaches(iface string, from, to netip.Addr, proto string, port uint16) bool {
	return m.pf.connect(m, iface, netip.AddrPortFrom(from, somePort), netip.AddrPortFrom(to, port), proto)
}

// connect is Reaches for given ports on both sides.
func (s *pfState) connect(m *Mac, iface string, from, to netip.AddrPort, proto string) bool {
	return s.exchange(m, iface, from, to, proto, pf.SYN, synAck)
}

// flows says whether the packets of a connection that is open already pass: those that come in on an interface, and the
// answers to them. A connection that pf has no state of is not let in by rules that only SYN packets match.
func (s *pfState) flows(m *Mac, iface string, from, to netip.AddrPort, proto string) bool {
	return s.exchange(m, iface, from, to, proto, pf.ACK, pf.ACK)
}

// exchange lets a packet come in and its answer go out.
func (s *pfState) exchange(m *Mac, iface string, from, to netip.AddrPort, proto string, request, answer uint8) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.enabled {
		return true
	}
	host := m.pfHost()
	in := pf.Packet{Direction: pf.In, Interface: iface, Src: from, Dst: to, Owner: &pf.Owner{}}
	switch proto {
	case "tcp":
		in.Proto, in.Flags = 6, request
	case "udp":
		in.Proto = 17
	default:
		return false
	}
	got := s.kernel.Test(host, in)
	if got.Verdict != pf.Passed {
		return false
	}
	out := pf.Packet{Direction: pf.Out, Interface: iface, Proto: in.Proto, Src: got.Packet.Dst, Dst: got.Packet.Src, Owner: in.Owner}
	if proto == "tcp" {
		out.Flags = answer
	}
	return s.kernel.Test(host, out).Verdict == pf.Passed
}

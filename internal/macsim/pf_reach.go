package macsim

import (
	"net/netip"

	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
)

// somePort is a port that clients are given.
const somePort = 49152

// A reception is what becomes of packets that come to the Mac.
type reception int

const (
	answered reception = iota // They come in, and the answers go out.
	dropped                   // Nobody hears of them: the sender waits until it gives up.
	reset                     // pf answers for the Mac: connection refused, or reset.
)

// Reaches says whether a new connection, or for UDP a first packet, that comes in on an interface from an address to a port
// of the Mac is answered: both ways must pass, with the state that the first makes. With pf disabled everything is
// answered. The service belongs to root. What depends on chance is not answered.
//
// The state stays, as after a real connection.
func (m *Mac) Reaches(iface string, from, to netip.Addr, proto string, port uint16) bool {
	in := pf.Packet{Interface: iface, Src: netip.AddrPortFrom(from, somePort), Dst: netip.AddrPortFrom(to, port)}
	switch proto {
	case "tcp":
		in.Proto, in.Flags = 6, pf.SYN
	case "udp":
		in.Proto = 17
	default:
		return false
	}
	return m.pf.receive(m, in) == answered
}

// admit is what becomes of a new TCP connection. It comes in on the interface that has the server's address, on lo0 if none
// has.
func (s *pfState) admit(m *Mac, client, server netip.AddrPort) reception {
	return s.receive(m, pf.Packet{Interface: m.interfaceOf(server.Addr()), Proto: 6, Flags: pf.SYN, Src: client, Dst: server})
}

// hold is what becomes of the packets of a TCP connection that is open. One that pf has no state of, because it is older than
// the rules, is not let in by rules for SYN packets, as rules with keep state are.
func (s *pfState) hold(m *Mac, client, server netip.AddrPort) reception {
	return s.receive(m, pf.Packet{Interface: m.interfaceOf(server.Addr()), Proto: 6, Flags: pf.ACK, Src: client, Dst: server})
}

func (m *Mac) interfaceOf(addr netip.Addr) string {
	for _, i := range m.Interfaces {
		for _, a := range i.Addrs {
			if a.Addr() == addr.Unmap() {
				return i.Name
			}
		}
	}
	return "lo0"
}

// receive lets a packet come in and its answer go out.
func (s *pfState) receive(m *Mac, in pf.Packet) reception {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.enabled {
		return answered
	}
	host := m.pfHost()
	in.Direction, in.Owner = pf.In, &pf.Owner{}
	got := s.kernel.Test(host, in)
	if got.Verdict == pf.Passed {
		out := pf.Packet{
			Direction: pf.Out, Interface: in.Interface, Proto: in.Proto, Flags: in.Flags | pf.ACK,
			Src: got.Packet.Dst, Dst: got.Packet.Src, Owner: in.Owner,
		}
		got = s.kernel.Test(host, out)
	}
	switch {
	case got.Verdict == pf.Passed:
		return answered
	case got.Verdict == pf.Blocked && got.Rule != nil && (got.Rule.Return == pf.ReturnAny || got.Rule.Return == pf.ReturnRST):
		return reset
	}
	return dropped
}

package pf

import (
	"net/netip"
	"strconv"
	"strings"
)

// A Flow is a set of conversations: who begins, on which interface, from where to where. Src is the end that begins, so
// that the Mac's own end is Dst of a flow that comes in, and Src of one that goes out.
type Flow struct {
	Direction Direction // In: somebody else begins; Out: the Mac begins.

	// Interface is where the conversation is, both ways. "" is every interface that has an address, but for loopback, and
	// where the other end can be: one in the network of an interface is there only. A tunnel that has an address of a
	// tailnet, 100.64.0.0/10 and fd7a:115c:a1e0::/48, is the way to all of it.
	Interface string

	Family Family // AnyFamily: as the addresses say, else both.

	// Proto is 6 for TCP, 17 for UDP, 1 and 58 for an ICMP echo; others are packets without ports. 0 is all that the rules
	// tell apart.
	Proto uint8

	// Src and Dst are where the ends are; nil is anywhere. The Mac's own end, when nil, is each address of the interface.
	// Otherwise it is each of them that is in there, or when none is, all that is in there. What no conversation comes
	// from is not part of "anywhere", nor of a network that has other addresses as well: this Mac's own addresses, loopback
	// and multicast ones.
	Src, Dst []netip.Prefix

	// The ports of TCP and UDP. The zero DstPort is every port; the zero SrcPort those that a client takes: 1024 to 65535,
	// or 49152 to 65535 when the client is the Mac.
	SrcPort, DstPort PortRange

	// Open is for a conversation in the middle of which pf is enabled, or loses its states: no packet that opens it is
	// seen, and either side may be the next to speak.
	Open bool
}

// String is the flow as ParseFlow reads it.
func (f Flow) String() string {
	var b []byte
	b = append(b, [...]string{In: "in", Out: "out"}[f.Direction]...)
	if f.Interface != "" {
		b = append(b, " on "+f.Interface...)
	}
	b = append(b, [...]string{AnyFamily: "", Inet: " inet", Inet6: " inet6"}[f.Family]...)
	switch f.Proto {
	case 0:
	case protoICMPv6:
		b = append(b, " proto icmp6"...)
	case protoICMP, protoTCP, protoUDP:
		b = append(b, " proto "+(&Host{}).proto(f.Proto).Name...)
	default:
		b = strconv.AppendUint(append(b, " proto "...), uint64(f.Proto), 10)
	}
	b = appendEnd(append(b, " from "...), f.Src, f.SrcPort)
	b = appendEnd(append(b, " to "...), f.Dst, f.DstPort)
	if f.Open {
		b = append(b, " open"...)
	}
	return string(b)
}

// appendEnd appends one end of a flow.
func appendEnd(b []byte, prefixes []netip.Prefix, port PortRange) []byte {
	names := make([]string, len(prefixes))
	for i, p := range prefixes {
		names[i] = TableEntry{Prefix: p}.String()
	}
	switch len(names) {
	case 0:
		b = append(b, "any"...)
	case 1:
		b = append(b, names[0]...)
	default:
		b = append(b, "{ "+strings.Join(names, ", ")+" }"...)
	}
	switch x, y := strconv.Itoa(int(port.A)), strconv.Itoa(int(port.B)); port.Op {
	case OpNone:
		return b
	case OpEqual:
		return append(b, " port "+x...)
	default:
		return appendOp(append(b, " port"...), port.Op, x, y)
	}
}

// String is the packet in the words of a rule, such as `in on en0 proto tcp from 192.0.2.7 port 50000 to 192.0.2.1 port 22 flags S`.
func (p Packet) String() string {
	b := []byte([...]string{InOut: "", In: "in", Out: "out"}[p.Direction] + " on " + p.Interface + " proto ")
	if name := (&Host{}).proto(p.Proto).Name; name != "" {
		b = append(b, name...)
	} else {
		b = strconv.AppendUint(b, uint64(p.Proto), 10)
	}
	end := func(word string, a netip.AddrPort) {
		b = append(append(b, word...), a.Addr().String()...)
		if p.Proto == protoTCP || p.Proto == protoUDP {
			b = strconv.AppendUint(append(b, " port "...), uint64(a.Port()), 10)
		}
	}
	end(" from ", p.Src)
	end(" to ", p.Dst)
	if p.Proto == protoTCP {
		b = appendFlags(append(b, " flags "...), p.Flags)
	}
	return string(b)
}

// An Outcome says what becomes of a flow: an example of each fate that conversations of it have, nil when none has it. When
// all are nil, the host can have no such conversation.
type Outcome struct {
	Pass, Cut, Unsure *Conversation

	// Sampled is set when the set was too large to look at every kind of conversation in it, so that a fate may be missing.
	Sampled bool
}

// A Conversation is one conversation of a flow and what becomes of it.
type Conversation struct {
	Packet Packet // The packet that decided: the one that is cut, or not decided; for one that passes the opening one.
	Answer bool   // Packet is the answer to a conversation whose opening packet passed, or comes later.
	Rule   *Rule  // That cuts it, or that makes the state of one that passes; nil is none.
	Anchor string // Where Rule stands.
	Why    string // Why it is so, in sentences for a person. They do not repeat Rule.

	// Cure is one line of pf.conf that would let the conversation through, and where to put it: as was tried on a copy of
	// the rules. "" when none is known.
	Cure string
}

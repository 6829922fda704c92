package pf

import "net/netip"

// Converse says what becomes of the flow's conversations on a pf that is enabled: opening packet, answer, and the packets
// after it. It works on copies: k is unchanged, and the states that k has are not looked at.
//
// Preliminary: it looks at one conversation of the flow on each interface.
func (k *Kernel) Converse(h *Host, f Flow) Outcome {
	var out Outcome
	for _, i := range h.Interfaces {
		if f.Interface != i.Name && (f.Interface != "" || i.Loopback) {
			continue
		}
		for _, af := range f.families() {
			for _, a := range i.Addrs {
				if familyOf(a.Prefix.Addr()) == af {
					k.Clone().preliminary(h, f, i.Name, a.Prefix.Addr().WithZone(""), &out)
				}
			}
		}
	}
	return out
}

func (k *Kernel) preliminary(h *Host, f Flow, iface string, own netip.Addr, out *Outcome) {
	first := func(prefixes []netip.Prefix) netip.Addr {
		for _, p := range prefixes {
			if familyOf(p.Addr()) == familyOf(own) {
				return p.Addr()
			}
		}
		if own.Is4() {
			return netip.MustParseAddr("192.0.2.1")
		}
		return netip.MustParseAddr("2001:db8::1")
	}
	var src, dst uint16
	if f.Proto == protoTCP || f.Proto == protoUDP {
		src, dst = 49152, max(f.DstPort.A, 1)
	}
	p := Packet{Direction: f.Direction, Interface: iface, Proto: f.Proto, Flags: SYN}
	if f.Direction == In {
		p.Src, p.Dst = netip.AddrPortFrom(first(f.Src), src), netip.AddrPortFrom(own, dst)
	} else {
		p.Src, p.Dst = netip.AddrPortFrom(own, src), netip.AddrPortFrom(first(f.Dst), dst)
	}
	if f.Open {
		p.Flags = ACK
	}
	k.ClearStates()
	back := p
	back.Direction, back.Src, back.Dst, back.Flags = In+Out-p.Direction, p.Dst, p.Src, p.Flags|ACK
	for i, p := range []Packet{p, back} {
		res := k.Test(h, p)
		c := &Conversation{Packet: p, Answer: i > 0, Rule: res.Rule, Anchor: res.Anchor, Why: res.Why}
		switch {
		case res.Verdict == Blocked:
			out.Cut = c
			return
		case res.Verdict == Unknown:
			out.Unsure = c
			return
		case i == 0:
			defer func() {
				if out.Cut == nil && out.Unsure == nil {
					out.Pass = c
				}
			}()
		}
	}
}

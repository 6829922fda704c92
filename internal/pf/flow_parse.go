package pf

import (
	"fmt"
	"net/netip"
)

// ParseFlow reads a flow in the words of a rule, without what a rule does:
//
//	in|out [on INTERFACE] [inet|inet6] [proto PROTOCOL] [from ADDRESS [port PORT]] [to ADDRESS [port PORT]] [open]
//
// such as `in on en0 proto tcp from { 10.0.0.0/8, 192.0.2.7 } to any port 22`. An ADDRESS is an address, a network, any, or a
// list of them; a PORT is a number, a name, a range, or a comparison. The last word, open, is not one of pf's: it says that
// the conversation has begun before pf could see it.
//
// The error says in which column the text is wrong, in pfctl's words where it has some.
func ParseFlow(text string) (Flow, error) {
	p := &parser{host: &Host{}, file: &File{}, strings: make(map[string]string)}
	p.lex = &lexer{src: text + "\n", line: 1, at: 1, errorf: func(format string, args ...any) {
		p.mark = p.lex.tokOff
		p.errorf(format, args...)
	}, fatal: p.fatal}
	f := p.flow()
	if len(p.errs) == 0 {
		return f, nil
	}
	e := p.errs[0]
	if e.OnMac && e.style == bare { // A name where an address should be.
		e.Hint = "a flow has addresses and networks; its own end on the Mac may be left out"
	}
	if e.Hint != "" {
		e.Hint = " (" + e.Hint + ")"
	}
	return Flow{}, fmt.Errorf("column %d: %s%s", e.Pos.Col, e.Msg, e.Hint)
}

// flow reads a flow. It has reported an error if what it returns does not count.
func (p *parser) flow() (f Flow) {
	defer func() {
		switch r := recover(); r.(type) {
		case nil, abandon, stop:
		default:
			panic(r)
		}
	}()
	if f.Direction = p.direction(); f.Direction == InOut {
		p.peek()
		p.mark = p.tok.off
		p.fail("a flow begins with in or out")
	}
	if p.got("on") {
		if f.Interface = p.iface().name; !isInterfaceName(f.Interface) {
			p.fail("%s is not the name of an interface", f.Interface)
		}
	}
	f.Family = p.family()
	if protos := p.protos(); len(protos) > 1 {
		p.fail("a flow has one protocol, or any")
	} else if protos != nil {
		f.Proto = protos[0].Number
	}
	if !p.got("all") {
		if p.got("from") {
			f.Src, f.SrcPort = p.flowEnd()
		}
		if p.got("to") {
			f.Dst, f.DstPort = p.flowEnd()
		}
	}
	if p.peek() == kindString && p.tok.text == "open" {
		p.take()
		f.Open = true
	}
	p.wantEnd()
	p.take()
	if p.peek() != kindEOF {
		p.syntaxError()
	}
	p.mark = 0
	if (f.SrcPort.Op != OpNone || f.DstPort.Op != OpNone) && f.Proto != protoTCP && f.Proto != protoUDP {
		p.fail("port only applies to tcp/udp")
	}
	if len(f.families()) == 0 {
		p.fail("the addresses, the address family and the protocol do not go together")
	}
	return f
}

// flowEnd reads what stands after from or to.
func (p *parser) flowEnd() (prefixes []netip.Prefix, port PortRange) {
	hosts, ports := p.hostPort()
	if len(ports) > 1 {
		p.fail("a flow has one port or one range of ports at each end")
	} else if ports != nil {
		port = ports[0]
	}
	for _, n := range hosts {
		ip := n.addr.IP
		if !ip.IsValid() {
			ip = zeroIP(n.af)
		}
		prefix, err := ip.Prefix(int(n.addr.Bits))
		if n.not || n.addr.Kind != AddrMask {
			p.fail("the ends of a flow are addresses, networks, or any")
		} else if err != nil {
			p.fail("netmask %d invalid for IPv4 address", n.addr.Bits)
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, port
}

// families are the address families that conversations of f can have, without regard to the host.
func (f Flow) families() []Family {
	var families []Family
	for _, af := range []Family{Inet, Inet6} {
		has := func(prefixes []netip.Prefix) bool {
			for _, p := range prefixes {
				if familyOf(p.Addr()) == af {
					return true
				}
			}
			return prefixes == nil
		}
		if f.Family != AnyFamily && f.Family != af || f.Proto == protoICMP && af == Inet6 || f.Proto == protoICMPv6 && af == Inet ||
			!has(f.Src) || !has(f.Dst) {
			continue
		}
		families = append(families, af)
	}
	return families
}

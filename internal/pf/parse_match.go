package pf

import (
	"strconv"
	"strings"
)

// An ifNode is one interface of a list before expansion.
type ifNode struct {
	name     string
	not      bool
	dynamic  bool // In parentheses, in antispoof.
	loopback bool
}

// interfaces reads on INTERFACE or on { ... }; nil is none.
func (p *parser) interfaces() []ifNode {
	if !p.got("on") {
		return nil
	}
	return list(p, p.notInterface)
}

func (p *parser) notInterface() ifNode {
	not := p.got("!")
	n := p.iface()
	n.not = not
	return n
}

func (p *parser) iface() ifNode {
	name := p.want(kindString).text
	if len(name) > maxInterface {
		p.fail("interface name too long")
	}
	n := ifNode{name: p.intern(name)}
	if i := p.host.iface(name); i != nil {
		n.loopback = i.Loopback
	}
	return n
}

func (p *parser) direction() Direction {
	switch {
	case p.got("in"):
		return In
	case p.got("out"):
		return Out
	}
	return InOut
}

func (p *parser) family() Family {
	switch {
	case p.got("inet"):
		return Inet
	case p.got("inet6"):
		return Inet6
	}
	return AnyFamily
}

// A logging is what log (...) says.
type logging struct {
	log Logging
	lif uint8
}

// logQuick reads log and quick in either order.
func (p *parser) logQuick() (l logging, quick bool) {
	quick = p.got("quick")
	l = p.logging()
	if !quick {
		quick = p.got("quick")
	}
	return l, quick
}

func (p *parser) logging() (l logging) {
	if !p.got("log") {
		return l
	}
	l.log = Log
	if !p.got("(") {
		return l
	}
	for {
		switch p.peek() {
		case "all":
			p.take()
			l.log |= LogAll
		case "user", "group":
			p.take()
			l.log |= LogUser
		case "to":
			p.take()
			if n := p.pflog(p.words()); n != 0 {
				l.lif = n
			}
		default:
			p.syntaxError()
		}
		if p.got(")") {
			return l
		}
		p.got(",")
	}
}

func (p *parser) pflog(name string) uint8 {
	number, ok := strings.CutPrefix(name, "pflog")
	if !ok {
		p.fail("%s: should be a pflog interface", name)
	}
	n, err := strconv.ParseInt(number, 10, 64)
	switch {
	case err != nil:
		p.fail("%s: invalid", name)
	case n > 255:
		p.fail("%s: too large", name)
	case n < 0:
		p.fail("%s: too small", name)
	}
	return uint8(n)
}

// protos reads proto NAME or proto { ... }; nil is any.
func (p *parser) protos() []Proto {
	if !p.got("proto") {
		return nil
	}
	return list(p, func() Proto {
		var n uint8
		switch p.peek() {
		case kindString:
			name := p.take().text
			var ok bool
			if n, ok = p.host.protoByName(name); !ok {
				p.fail("unknown protocol %s", name)
			}
		case kindNumber:
			v := p.take().num
			if v < 0 || v > 255 {
				p.fail("protocol outside range")
			}
			n = uint8(v)
		default:
			p.syntaxError()
		}
		if n == 0 {
			p.fail("proto 0 cannot be used")
		}
		return p.host.proto(n)
	})
}

// A fromTo is what stands after from and to; its zero value is all.
type fromTo struct {
	src, dst           []hostNode
	srcPorts, dstPorts []PortRange
	oses               []string
}

func (p *parser) fromTo() (f fromTo) {
	if p.got("all") {
		return f
	}
	if p.got("from") {
		f.src, f.srcPorts = p.hostPort()
	}
	if p.got("os") {
		f.oses = list(p, func() string { return p.intern(p.want(kindString).text) })
	}
	if p.got("to") {
		f.dst, f.dstPorts = p.hostPort()
		p.noURPF(f.dst, "\"urpf-failed\" is not permitted in a destination address")
	}
	return f
}

func (p *parser) noURPF(hosts []hostNode, msg string) {
	for _, h := range hosts {
		if h.addr.Kind == AddrURPF {
			p.fail("%s", msg)
		}
	}
}

func (p *parser) hostPort() (hosts []hostNode, ports []PortRange) {
	if p.peek() != "port" {
		hosts = p.hostList()
	}
	if p.got("port") {
		ports = list(p, p.portItem)
	}
	return hosts, ports
}

// unaryOp reads a comparison; ok is false when there is none.
func (p *parser) unaryOp() (op Op, ok bool) {
	switch p.peek() {
	case "=":
		p.take()
		return OpEqual, true
	case "!":
		p.take()
		p.want("=")
		return OpNotEqual, true
	case "<":
		p.take()
		if p.got("=") {
			return OpLessEq, true
		}
		return OpLess, true
	case ">":
		p.take()
		if p.got("=") {
			return OpGreaterEq, true
		}
		return OpGreater, true
	}
	return OpNone, false
}

// rangeOp consumes a two-sided operator, if one is next.
func (p *parser) rangeOp() (Op, bool) {
	if p.peek() != kindRange {
		return OpNone, false
	}
	if p.take().text == "><" {
		return OpInside, true
	}
	return OpOutside, true
}

const colonError = "':' cannot be used with an other port operator"

func (p *parser) portItem() PortRange {
	if op, ok := p.unaryOp(); ok {
		r := p.port()
		if r.Op == OpRange {
			p.fail(colonError)
		}
		return PortRange{op, r.A, r.B}
	}
	r := p.port()
	if op, ok := p.rangeOp(); ok {
		s := p.port()
		if r.Op == OpRange || s.Op == OpRange {
			p.fail(colonError)
		}
		return PortRange{op, r.A, s.A}
	}
	return r
}

// port reads a port or a range with a colon.
func (p *parser) port() PortRange {
	if p.peek() == kindNumber {
		return PortRange{Op: OpEqual, A: p.portNumber(p.take().num)}
	}
	from, to, ok := strings.Cut(p.want(kindString).text, ":")
	if !ok {
		return PortRange{Op: OpEqual, A: p.service(from)}
	}
	a := p.service(from)
	return PortRange{OpRange, a, p.service(to)}
}

func (p *parser) portNumber(n int64) uint16 {
	if n < 0 || n > 65535 {
		p.fail("illegal port value %d", uint64(n))
	}
	return uint16(n)
}

// service is the port that a word stands for, a number in any base or a name.
func (p *parser) service(s string) uint16 {
	if n, ok := parseUlong(s); ok {
		if n > 65535 {
			p.fail("illegal port value %d", n)
		}
		return uint16(n)
	}
	port, ok := p.host.service(s)
	if !ok {
		p.errorf("unknown port %s", s)
		p.onMac()
		panic(abandon{})
	}
	return port
}

// parseUlong reads a number as C's strtoul with base 0 does.
func parseUlong(s string) (uint64, bool) {
	digits, base := s, 10
	switch {
	case len(s) > 1 && (s[:2] == "0x" || s[:2] == "0X"):
		digits, base = s[2:], 16
	case len(s) > 1 && s[0] == '0':
		digits, base = s[1:], 8
	}
	n, err := strconv.ParseUint(digits, base, 64)
	return n, err == nil
}

// ids reads users or groups; which is "user" or "group", and named finds a name's number.
func (p *parser) ids(which, short string, named map[string]uint32) []IDRange {
	id := func() uint32 {
		switch p.peek() {
		case kindString:
			name := p.take().text
			if name == "unknown" {
				return UnknownID
			}
			n, ok := named[name]
			if !ok {
				p.errorf("unknown %s %s", which, name)
				p.onMac()
				panic(abandon{})
			}
			return n
		case kindNumber:
			n := p.take().num
			if n < 0 || n >= UnknownID {
				p.fail("illegal %s value %d", short, uint64(n))
			}
			return uint32(n)
		}
		p.syntaxError()
		return 0
	}
	needsEqual := func(r IDRange, ok bool) IDRange {
		if !ok && (r.A == UnknownID || r.B == UnknownID) {
			p.fail("%s unknown requires operator = or !=", which)
		}
		return r
	}
	return list(p, func() IDRange {
		if op, ok := p.unaryOp(); ok {
			n := id()
			return needsEqual(IDRange{op, n, n}, op == OpEqual || op == OpNotEqual)
		}
		a := id()
		if op, ok := p.rangeOp(); ok {
			return needsEqual(IDRange{op, a, id()}, false)
		}
		return IDRange{OpEqual, a, a}
	})
}

// flags reads what stands after the word flags.
func (p *parser) flags() (set, of uint8) {
	if p.got("any") {
		return 0, 0
	}
	flag := func() uint8 {
		s := p.want(kindString).text
		f, ok := parseFlags(s)
		if !ok {
			p.fail("bad flags %s", s)
		}
		return f
	}
	if p.peek() != "/" {
		set = flag()
	}
	p.want("/")
	return set, flag()
}

// An icmpNode is one ICMP type of a list before expansion. Proto is 0 for any.
type icmpNode struct {
	ICMPType
	proto uint8
}

// icmpSpec reads what stands after icmp-type or icmp6-type.
func (p *parser) icmpSpec(word string, af Family, proto uint8) []icmpNode {
	return list(p, func() icmpNode {
		n := icmpNode{proto: proto}
		var typ uint8
		switch p.peek() {
		case kindString:
			name := p.take().text
			var ok bool
			if typ, ok = icmpTypeByName(name, af); !ok {
				p.fail("unknown %s-type %s", word, name)
			}
		case kindNumber:
			v := p.take().num
			if v < 0 || v > 255 {
				p.fail("illegal %s-type %d", word, uint64(v))
			}
			typ = uint8(v)
		default:
			p.syntaxError()
		}
		n.Type = uint16(typ) + 1
		if !p.got("code") {
			return n
		}
		switch p.peek() {
		case kindString:
			name := p.take().text
			code, ok := icmpCodeByName(typ, name, af)
			if !ok {
				p.fail("unknown %s-code %s", word, name)
			}
			n.Code = uint16(code) + 1
		case kindNumber:
			v := p.take().num
			if v < 0 || v > 255 {
				p.fail("illegal icmp-code %d", uint64(v))
			}
			n.Code = uint16(v) + 1
		default:
			p.syntaxError()
		}
		return n
	})
}

func (p *parser) tos() uint8 {
	if p.peek() == kindNumber {
		n := p.take().num
		if n == 0 {
			p.fail("illegal tos value (null)") // pfctl prints a number as a string here, and dies of larger ones.
		}
		if n > 255 || n < 0 {
			p.fail("illegal tos value %d", n)
		}
		return uint8(n)
	}
	s := p.want(kindString).text
	switch s {
	case "lowdelay":
		return 0x10
	case "throughput":
		return 0x08
	case "reliability":
		return 0x04
	}
	hex, ok := strings.CutPrefix(s, "0x")
	n, err := strconv.ParseUint(hex, 16, 64)
	if !ok || err != nil || n == 0 || n > 255 {
		p.fail("illegal tos value %s", s)
	}
	return uint8(n)
}

package pf

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// filterOpts are the options after from and to, in any order.
type filterOpts struct {
	users, groups [][]IDRange // One list for each time the word stands there.
	flags         uint8
	flagSet       uint8
	hasFlags      bool
	icmp          []icmpNode
	tos           uint8
	hasTOS        bool
	keep          Keep
	hasKeep       bool
	state         []stateOpt
	fragment      bool
	allowOpts     bool
	label         string
	queue, ack    string
	tag           string
	tagged        string
	taggedNot     bool
	probability   uint32
	rtable        int16
}

func (p *parser) filterOpts() filterOpts {
	o := filterOpts{rtable: -1}
	for p.filterOpt(&o) {
	}
	return o
}

// filterOpt reads one option; it returns false when there is none.
func (p *parser) filterOpt(o *filterOpts) bool {
	switch p.peek() {
	case "user":
		p.take()
		o.users = append(o.users, p.ids("user", "uid", p.host.Users))
	case "group":
		p.take()
		o.groups = append(o.groups, p.ids("group", "gid", p.host.Groups))
	case "flags":
		p.take()
		set, of := p.flags()
		p.once(&o.hasFlags, "flags cannot be redefined")
		o.flags, o.flagSet = set, of
	case "icmp-type":
		p.take()
		icmp := p.icmpSpec("icmp", Inet, protoICMP)
		p.onceNil(o.icmp != nil, "icmp-type cannot be redefined")
		o.icmp = icmp
	case "icmp6-type":
		p.take()
		icmp := p.icmpSpec("icmp6", Inet6, protoICMPv6)
		p.onceNil(o.icmp != nil, "icmp-type cannot be redefined")
		o.icmp = icmp
	case "tos":
		p.take()
		tos := p.tos()
		p.once(&o.hasTOS, "tos cannot be redefined")
		o.tos = tos
	case "no", "keep", "modulate", "synproxy":
		keep, state := p.keep()
		p.once(&o.hasKeep, "modulate or keep cannot be redefined")
		o.keep, o.state = keep, state
	case "fragment":
		p.take()
		o.fragment = true
	case "allow-opts":
		p.take()
		o.allowOpts = true
	case "label":
		p.take()
		label := p.want(kindString).text
		p.onceNil(o.label != "", "label cannot be redefined")
		o.label = label
	case "queue":
		p.take()
		queue, ack := p.queue()
		p.onceNil(o.queue != "", "queue cannot be redefined")
		o.queue, o.ack = queue, ack
	case "tag":
		p.take()
		o.tag = p.words()
	case "!", "tagged":
		o.taggedNot = p.got("!")
		p.want("tagged")
		o.tagged = p.words()
	case "probability":
		p.take()
		o.probability = p.probability()
	case "rtable":
		o.rtable = p.rtable()
	default:
		return false
	}
	return true
}

// once reports that an option stands twice.
func (p *parser) once(seen *bool, msg string) {
	p.onceNil(*seen, msg)
	*seen = true
}

func (p *parser) onceNil(seen bool, msg string) {
	if seen {
		p.fail("%s", msg)
	}
}

func (p *parser) queue() (queue, ack string) {
	if !p.got("(") {
		return p.want(kindString).text, ""
	}
	queue = p.want(kindString).text
	if !p.got(")") {
		p.got(",")
		ack = p.want(kindString).text
		p.want(")")
	}
	return queue, ack
}

func (p *parser) probability() uint32 {
	var x float64
	if p.peek() == kindNumber {
		x = float64(p.take().num)
	} else {
		s := p.want(kindString).text
		number, percent := strings.CutSuffix(s, "%")
		var err error
		if x, err = strconv.ParseFloat(number, 64); err != nil || math.IsInf(x, 0) || math.IsNaN(x) {
			p.fail("invalid probability: %s", s)
		}
		if percent {
			x *= 0.01
		}
	}
	x = math.Floor(x*math.MaxUint32 + 0.5)
	if x < 0 || x > math.MaxUint32 {
		p.fail("invalid probability: %f", x)
	}
	return max(uint32(x), 1)
}

func (p *parser) rtable() int16 {
	p.take()
	n := p.want(kindNumber).num
	if n < 0 || n > maxRTable {
		p.fail("invalid rtable id")
	}
	return int16(n)
}

// blockSpec reads how a block rule answers.
func (p *parser) blockSpec(r *Rule) {
	const (
		icmp4 = icmpUnreach<<8 | 3  // port-unr
		icmp6 = icmp6Unreach<<8 | 4 // port-unr
	)
	switch p.peek() {
	case "drop":
		p.take()
	case "return":
		p.take()
		r.Return, r.ICMP4, r.ICMP6 = ReturnAny, icmp4, icmp6
	case "return-rst":
		p.take()
		r.Return = ReturnRST
		if p.got("(") {
			p.want("ttl")
			ttl := p.want(kindNumber).num
			p.want(")")
			if ttl < 0 || ttl > 255 {
				p.fail("illegal ttl value %d", ttl)
			}
			r.ReturnTTL = uint8(ttl)
		}
	case "return-icmp":
		p.take()
		r.Return, r.ICMP4, r.ICMP6 = ReturnICMP, icmp4, icmp6
		if p.got("(") {
			// The code for IPv6 is taken from IPv4's table when only one is given, as pfctl does.
			r.ICMP4, r.ICMP6 = p.returnCode(Inet), icmp4
			if !p.got(")") {
				p.got(",")
				r.ICMP6 = p.returnCode(Inet6)
				p.want(")")
			}
		}
	case "return-icmp6":
		p.take()
		r.Return, r.ICMP4, r.ICMP6 = ReturnICMP, icmp4, icmp6
		if p.got("(") {
			r.ICMP6 = p.returnCode(Inet6)
			p.want(")")
		}
	default:
		if p.returnBlock {
			r.Return, r.ICMP4, r.ICMP6 = ReturnAny, icmp4, icmp6
		}
	}
}

func (p *parser) returnCode(af Family) uint16 {
	typ := uint8(icmpUnreach)
	if af == Inet6 {
		typ = icmp6Unreach
	}
	var code uint64
	if p.peek() == kindNumber {
		n := p.take().num
		if n < 0 || n > 255 {
			p.fail("invalid icmp code %d", uint64(n))
		}
		code = uint64(n)
	} else {
		name := p.want(kindString).text
		n, ok := parseUlong(name)
		if !ok {
			c, known := icmpCodeByName(typ, name, af)
			if !known {
				p.fail("unknown icmp code %s", name)
			}
			n = uint64(c)
		}
		if n > 255 {
			p.fail("invalid icmp code %d", n)
		}
		code = n
	}
	return uint16(typ)<<8 | uint16(code)
}

// filterRule reads a pass or block rule.
func (p *parser) filterRule() {
	r := Rule{Action: Pass, RTable: -1}
	block := p.take().kind == "block"
	r.Pos = p.start
	if block {
		r.Action = Block
		p.blockSpec(&r)
	}
	r.Direction = p.direction()
	log, quick := p.logQuick()
	r.Log, r.LogIf, r.Quick = log.log, log.lif, quick
	lists := lists{ifs: p.interfaces()}
	route := p.route()
	r.Family = p.family()
	lists.protos = p.protos()
	lists.fromTo = p.fromTo()
	o := p.filterOpts()
	p.wantEnd()

	p.enter(sectionFilter)
	p.matchOpts(&r, &o, &lists)
	r.Keep = o.keep
	if r.Action == Pass && !o.hasKeep {
		r.Keep = KeepState
	}
	p.stateOpts(&r, o.state)
	if r.Action == Pass && !o.fragment && !o.hasFlags && r.Keep != NoState {
		r.Flags, r.FlagSet = 1<<1, 1<<1|1<<4 // S/SA
	}
	r.Fragment, r.AllowOpts = o.fragment, o.allowOpts
	decideFamily(lists.src, &r.Family)
	decideFamily(lists.dst, &r.Family)
	p.routePool(&r, route)
	p.queueNames(&r, &o)
	p.expand(&r, &lists)
}

// matchOpts fills in what rules and anchors have in common.
func (p *parser) matchOpts(r *Rule, o *filterOpts, l *lists) {
	r.Probability = o.probability
	r.RTable = o.rtable
	r.Tag, r.Tagged, r.TaggedNot = p.tagName(o.tag), p.tagName(o.tagged), o.taggedNot
	r.Label = p.labelText(o.label)
	r.Flags, r.FlagSet = o.flags, o.flagSet
	if o.flags&o.flagSet != o.flags {
		p.fail("flags always false")
	}
	if hasFlags := o.flags|o.flagSet != 0; hasFlags || l.oses != nil {
		tcp := l.protos == nil
		for _, proto := range l.protos {
			tcp = tcp || proto.Number == protoTCP
		}
		if !tcp {
			if hasFlags {
				p.errorf("flags only apply to tcp")
			}
			if l.oses != nil {
				verb := "apply"
				if r.Call != nil {
					verb = "applies"
				}
				p.errorf("OS fingerprinting only %s to tcp", verb)
			}
			panic(abandon{})
		}
	}
	r.TOS = o.tos
	l.users, l.groups, l.icmp = lastFirst(o.users), lastFirst(o.groups), o.icmp
}

// lastFirst joins lists, the last before the others.
func lastFirst(lists [][]IDRange) []IDRange {
	slices.Reverse(lists)
	return slices.Concat(lists...)
}

func (p *parser) tagName(s string) string {
	if len(s) > maxTag {
		p.fail("tag too long, max %d chars", maxTag)
	}
	return p.intern(s)
}

func (p *parser) labelText(s string) string {
	if len(s) > maxLabel {
		p.fail("rule label too long (max %d chars)", maxLabel)
	}
	return p.intern(s)
}

func (p *parser) queueNames(r *Rule, o *filterOpts) {
	if len(o.queue) > maxQueue {
		p.fail("rule qname too long (max %d chars)", maxQueue)
	}
	if len(o.ack) > maxQueue {
		p.fail("rule pqname too long (max %d chars)", maxQueue)
	}
	r.Queue, r.AckQueue = p.intern(o.queue), p.intern(o.ack)
}

// antispoof reads antispoof for INTERFACE, which stands for block rules made out of the interface's addresses.
func (p *parser) antispoof() {
	p.take()
	pos := p.start
	log, quick := p.logQuick()
	p.want("for")
	ifs := list(p, func() ifNode {
		if !p.got("(") {
			return p.iface()
		}
		n := p.iface()
		n.dynamic = true
		p.want(")")
		return n
	})
	family := p.family()
	label, rtable := "", int16(-1)
	for {
		if p.peek() == "label" {
			p.take()
			s := p.want(kindString).text
			p.onceNil(label != "", "label cannot be redefined")
			label = s
		} else if p.peek() == "rtable" {
			rtable = p.rtable()
		} else {
			break
		}
	}
	p.wantEnd()

	p.enter(sectionFilter)
	for _, i := range ifs {
		r := Rule{
			Pos: pos, Action: Block, Direction: In, Log: log.log, LogIf: log.lif, Quick: quick,
			Family: family, Label: p.labelText(label), RTable: rtable,
		}
		networks, addrs := p.host.addrs(i.name, ModNetwork), p.host.addrs(i.name, 0)
		if i.dynamic {
			networks = []hostNode{{addr: Addr{Kind: AddrDynamic, Name: i.name, Mods: ModNetwork, Bits: 128}}}
			addrs = []hostNode{{addr: Addr{Kind: AddrDynamic, Name: i.name, Bits: 128}}}
		}
		if networks != nil {
			p.expand(&r, &lists{ifs: []ifNode{{name: i.name, not: true}}, fromTo: fromTo{src: networks}})
		}
		if !i.loopback && addrs != nil {
			r.LogIf = 0 // pfctl forgets it here.
			p.expand(&r, &lists{fromTo: fromTo{src: addrs}})
		}
	}
}

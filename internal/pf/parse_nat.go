package pf

import "strings"

// withName puts a name into a message that has a place for one.
func withName(format, name string) string { return strings.Replace(format, "%s", name, 1) }

// A redirection is -> TARGET port PORT.
type redirection struct {
	hosts []hostNode
	low   uint16
	high  uint16
	star  bool // port N:*
}

// natPassLog reads pass and log after nat, rdr or binat.
func (p *parser) natPassLog(r *Rule, no bool) {
	r.NATPass = p.got("pass")
	l := p.logging()
	r.Log, r.LogIf = l.log, l.lif
	if no && r.NATPass {
		p.fail("\"pass\" not valid with \"no\"")
	}
}

// tagged reads [!] tagged NAME.
func (p *parser) tagged(r *Rule) {
	switch p.peek() {
	case "!", "tagged":
		r.TaggedNot = p.got("!")
		p.want("tagged")
		r.Tagged = p.words()
	}
}

func (p *parser) tag(r *Rule) {
	if p.got("tag") {
		r.Tag = p.want(kindString).text
	}
}

// redirect reads -> and what follows; nil is none. Targets in braces are for nat and rdr only.
func (p *parser) redirect(braces bool) *redirection {
	if !p.got(kindArrow) {
		return nil
	}
	var to redirection
	if braces && p.got("{") {
		to.hosts = p.hostSpec()
		for !p.got("}") {
			p.got(",")
			to.hosts = append(to.hosts, p.hostSpec()...)
		}
	} else {
		to.hosts = p.hostSpec()
	}
	if p.got("port") {
		p.redirectPort(&to)
	}
	return &to
}

func (p *parser) redirectPort(to *redirection) {
	if p.peek() == kindNumber {
		to.low = p.portNumber(p.take().num)
		return
	}
	low, high, ok := strings.Cut(p.want(kindString).text, ":")
	to.low = p.service(low)
	switch {
	case !ok:
	case high == "*":
		to.star = true
	default:
		if to.high = p.service(high); to.high == to.low {
			to.high = 0
		}
	}
}

// nat reads a nat or rdr rule.
func (p *parser) nat(no bool) {
	rdr := p.take().kind == "rdr"
	r := Rule{Pos: p.start, RTable: -1}
	switch {
	case rdr && no:
		r.Action = NoRDR
	case rdr:
		r.Action = RDR
	case no:
		r.Action = NoNAT
	default:
		r.Action = NAT
	}
	p.natPassLog(&r, no)
	lists := lists{ifs: p.interfaces()}
	r.Family = p.family()
	lists.protos = p.protos()
	lists.fromTo = p.fromTo()
	p.tag(&r)
	p.tagged(&r)
	if p.peek() == "rtable" {
		r.RTable = p.rtable()
	}
	to := p.redirect(true)
	opts := p.poolOpts()
	p.wantEnd()

	p.enter(sectionNAT)
	if r.Family == AnyFamily {
		for _, hosts := range [][]hostNode{lists.src, lists.dst} {
			if len(hosts) > 0 && hosts[0].af != AnyFamily && hosts[0].scope == "" {
				r.Family = hosts[0].af
				break
			}
		}
	}
	r.Tag, r.Tagged = p.tagName(r.Tag), p.tagName(r.Tagged)
	if no {
		if to != nil {
			p.fail("translation rule with 'no' does not need '->'")
		}
	} else {
		if to == nil {
			p.fail("translation rule requires '-> address'")
		}
		p.natPool(&r, &lists, to, opts)
	}
	p.staticPort(&r, opts)
	p.expand(&r, &lists)
}

// natPool checks the target of a translation and makes it the rule's pool.
func (p *parser) natPool(r *Rule, l *lists, to *redirection, opts poolOpts) {
	if r.Family == AnyFamily && to.hosts[0].scope == "" {
		r.Family = to.hosts[0].af
	}
	to.hosts = dropOtherFamilies(to.hosts, &r.Family)
	p.checkRedirect(to.hosts, r.Family)
	if p.checkMask(to.hosts, r.Family) {
		panic(abandon{})
	}
	pool := &Pool{LowPort: to.low, HighPort: to.high, Key: opts.key, Sticky: opts.sticky}
	switch {
	case r.Action == NAT && to.low == 0 && to.high == 0:
		pool.LowPort, pool.HighPort = natPortLow, natPortHigh
	case r.Action == NAT && to.high == 0:
		pool.HighPort = to.low
	case r.Action == RDR && to.high == 0 && to.star && len(l.dstPorts) > 0:
		pool.HighPort = to.low + l.dstPorts[0].B - l.dstPorts[0].A
	}
	pool.Type = p.roundRobin(opts.kind, to.hosts, "redirection")
	if len(to.hosts) > 1 && pool.Type != PoolRoundRobin {
		p.fail("only round-robin valid for multiple redirection addresses")
	}
	pool.Addrs = poolAddrs(to.hosts)
	r.Pool = pool
}

func (p *parser) staticPort(r *Rule, opts poolOpts) {
	if !opts.staticPort {
		return
	}
	if r.Action != NAT {
		p.fail("the 'static-port' option is only valid with nat rules")
	}
	if r.Pool.LowPort != natPortLow && r.Pool.HighPort != natPortHigh {
		p.fail("the 'static-port' option can't be used when specifying a port range")
	}
	r.Pool.LowPort, r.Pool.HighPort = 0, 0
}

func (p *parser) checkRedirect(hosts []hostNode, af Family) {
	for _, h := range hosts {
		if af == AnyFamily && h.addr.Kind != AddrTable && h.addr.Kind != AddrDynamic {
			p.fail("address family not given and translation address expands to multiple address families")
		}
	}
	if len(hosts) == 0 {
		p.fail("no translation address with matching address family found.")
	}
}

// binat reads a binat rule, which takes no lists.
func (p *parser) binat(no bool) {
	p.take()
	r := Rule{Pos: p.start, Action: Binat, RTable: -1}
	if no {
		r.Action = NoBinat
	}
	r.NATPass = p.got("pass")
	l := p.logging()
	r.Log, r.LogIf = l.log, l.lif
	ifs := p.interfaces()
	r.Family = p.family()
	protos := p.protos()
	p.want("from")
	src := p.hostSpec()
	var dst []hostNode
	if p.got("to") {
		dst = p.hostList()
	}
	p.tag(&r)
	p.tagged(&r)
	if p.peek() == "rtable" {
		r.RTable = p.rtable()
	}
	to := p.redirect(false)
	p.wantEnd()

	p.enter(sectionNAT)
	p.noURPF(dst, "\"urpf-failed\" is not permitted as a binat destination")
	if no && r.NATPass {
		p.fail("\"pass\" not valid with \"no\"")
	}
	for _, hosts := range [][]hostNode{src, dst} {
		if r.Family == AnyFamily && len(hosts) > 0 {
			r.Family = hosts[0].af
		}
	}
	if r.Family == AnyFamily && to != nil {
		r.Family = to.hosts[0].af
	}
	if r.Family == AnyFamily {
		p.fail("address family (inet/inet6) undefined")
	}
	if len(ifs) > 0 {
		r.Interface, r.IfNot = ifs[0].name, ifs[0].not
	}
	r.Tag, r.Tagged = p.tagName(r.Tag), p.tagName(r.Tagged)
	if len(protos) > 0 {
		r.Proto = protos[0]
	}
	p.noTable(src, "invalid use of table <%s> as the source address of a binat rule")
	p.noAlias(src, "invalid use of interface (%s) as the source address of a binat rule")
	if to != nil {
		p.noTable(to.hosts, "invalid use of table <%s> as the redirect address of a binat rule")
		p.noAlias(to.hosts, "invalid use of interface (%s) as the redirect address of a binat rule")
	}
	if src[0].addr.Kind == AddrDynamic {
		src[0].af = r.Family
	}
	r.Src.Addr = p.binatAddr(src, r.Family, false)
	if len(dst) > 0 {
		r.Dst.Addr = p.binatAddr(dst, r.Family, true)
		r.Dst.Not = dst[0].not
	}
	if no {
		if to != nil {
			p.fail("'no binat' rule does not need '->'")
		}
	} else {
		p.binatPool(&r, to)
	}
	p.addRule(&r)
}

func (p *parser) binatAddr(hosts []hostNode, af Family, anyFamily bool) Addr {
	if len(hosts) > 1 {
		p.fail("multiple binat ip addresses")
	}
	if hosts[0].af != af && (!anyFamily || hosts[0].af != AnyFamily) {
		p.fail("binat ip versions must match")
	}
	if p.checkMask(hosts, af) {
		panic(abandon{})
	}
	return hosts[0].addr
}

func (p *parser) binatPool(r *Rule, to *redirection) {
	if to == nil {
		p.fail("'binat' rule requires '-> address'")
	}
	to.hosts = dropOtherFamilies(to.hosts, &r.Family)
	p.checkRedirect(to.hosts, r.Family)
	if len(to.hosts) > 1 {
		p.fail("binat rule must redirect to a single address")
	}
	if p.checkMask(to.hosts, r.Family) {
		panic(abandon{})
	}
	if r.Src.Addr.Bits != 0 && r.Src.Addr.Bits != to.hosts[0].addr.Bits {
		p.fail("'binat' source mask and redirect mask must be the same")
	}
	r.Pool = &Pool{Addrs: []PoolAddr{{Addr: to.hosts[0].addr}}}
}

package pf

import (
	"crypto/md5"
	"encoding/hex"
)

// A routeSpec is route-to, reply-to, dup-to or fastroute with its targets before they are checked.
type routeSpec struct {
	mode  RouteMode
	hosts []hostNode
	pool  poolOpts
}

func (p *parser) route() (r routeSpec) {
	switch p.peek() {
	case "fastroute":
		p.take()
		return routeSpec{mode: Fastroute}
	case "route-to":
		r.mode = RouteTo
	case "reply-to":
		r.mode = ReplyTo
	case "dup-to":
		r.mode = DupTo
	default:
		return r
	}
	p.take()
	if !p.got("{") {
		r.hosts = p.routeHost()
	} else {
		r.hosts = p.routeHost()
		for !p.got("}") {
			p.got(",")
			next := p.routeHost()
			if r.hosts[0].af == AnyFamily {
				r.hosts[0].af = next[0].af
			}
			if r.hosts[0].af != next[0].af {
				p.fail("all pool addresses must be in the same address family")
			}
			r.hosts = append(r.hosts, next...)
		}
	}
	r.pool = p.poolOpts()
	return r
}

func (p *parser) routeHost() []hostNode {
	if !p.got("(") {
		return []hostNode{{iface: p.intern(p.want(kindString).text)}}
	}
	iface := p.intern(p.want(kindString).text)
	hosts := p.hostSpec()
	p.want(")")
	hosts[0].iface = iface
	return hosts
}

// poolOpts are the options of a route or translation pool.
type poolOpts struct {
	kind       PoolType
	key        [16]byte
	sticky     bool
	staticPort bool
}

func (p *parser) poolOpts() (o poolOpts) {
	for {
		var kind PoolType
		switch p.peek() {
		case "bitmask":
			kind = PoolBitmask
		case "random":
			kind = PoolRandom
		case "source-hash":
			kind = PoolSourceHash
		case "round-robin":
			kind = PoolRoundRobin
		case "static-port":
			p.take()
			p.once(&o.staticPort, "static-port cannot be redefined")
			continue
		case "sticky-address":
			p.take()
			o.sticky = true
			continue
		default:
			return o
		}
		p.take()
		var key [16]byte
		if kind == PoolSourceHash {
			key = p.hashKey()
		}
		p.onceNil(o.kind != PoolNone, "pool type cannot be redefined")
		o.kind, o.key = kind, key
	}
}

// hashKey reads the key of a source hash. A key that is not given is random in pfctl and zero here.
func (p *parser) hashKey() (key [16]byte) {
	if p.peek() != kindString {
		return key
	}
	s := p.words()
	if len(s) < 2 || s[:2] != "0x" {
		return md5.Sum([]byte(s)) // What pfctl does; no secret is kept by it.
	}
	if len(s) != 34 {
		p.fail("hex key must be 128 bits (32 hex digits) long")
	}
	if _, err := hex.Decode(key[:], []byte(s[2:])); err != nil {
		p.fail("invalid hex key")
	}
	return key
}

// multiAddr says whether an interface in parentheses may have more than one address, as pfctl sees it.
func (a Addr) multiAddr() bool {
	return a.Kind == AddrDynamic && (a.Mods&ModNoAlias == 0 || !isDigit(int(a.Name[len(a.Name)-1])))
}

// roundRobin makes a pool round-robin if it must be, and complains of targets that only a round-robin pool can have.
func (p *parser) roundRobin(kind PoolType, hosts []hostNode, what string) PoolType {
	if kind == PoolNone && (len(hosts) > 1 || hosts[0].addr.Kind == AddrTable || hosts[0].addr.multiAddr()) {
		kind = PoolRoundRobin
	}
	if kind != PoolRoundRobin {
		p.noTable(hosts, "tables are only supported in round-robin "+what+" pools")
		p.noAlias(hosts, "interface (%s) is only supported in round-robin "+what+" pools")
	}
	return kind
}

func (p *parser) noTable(hosts []hostNode, format string) {
	for _, h := range hosts {
		if h.addr.Kind == AddrTable {
			p.fail("%s", withName(format, h.addr.Name))
		}
	}
}

func (p *parser) noAlias(hosts []hostNode, format string) {
	for _, h := range hosts {
		if h.addr.multiAddr() {
			p.fail("%s", withName(format, h.addr.Name))
		}
	}
}

// routePool checks a route and puts it into the rule.
func (p *parser) routePool(r *Rule, s routeSpec) {
	if s.mode == NoRoute {
		return
	}
	if r.Direction == InOut {
		p.fail("direction must be explicit with rules that specify routing")
	}
	r.Route = s.mode
	if s.mode == Fastroute {
		return
	}
	decideFamily(s.hosts, &r.Family)
	s.hosts = dropOtherFamilies(s.hosts, &r.Family)
	if len(s.hosts) == 0 {
		p.fail("no routing address with matching address family found.")
	}
	kind := p.roundRobin(s.pool.kind, s.hosts, "routing")
	if len(s.hosts) > 1 && kind != PoolRoundRobin {
		p.fail("r.rpool.opts must be PF_POOL_ROUNDROBIN")
	}
	r.Pool = &Pool{Addrs: poolAddrs(s.hosts), Type: kind, Key: s.pool.key, Sticky: s.pool.sticky}
}

func poolAddrs(hosts []hostNode) []PoolAddr {
	addrs := make([]PoolAddr, len(hosts))
	for i, h := range hosts {
		addrs[i] = PoolAddr{h.addr, h.iface}
	}
	return addrs
}

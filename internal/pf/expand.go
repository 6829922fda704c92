package pf

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// lists are the parts of a rule text that may be lists. A rule is made for every combination; nil matches everything.
type lists struct {
	ifs           []ifNode
	protos        []Proto
	icmp          []icmpNode
	users, groups []IDRange
	fromTo
}

// orOne makes an empty list the list of one zero item.
func orOne[T any](list []T) []T {
	if len(list) == 0 {
		return make([]T, 1)
	}
	return list
}

// expand adds the rules that r and its lists stand for, in pfctl's order: interfaces outermost, then protocols, ICMP
// types, sources, their ports, systems, destinations, their ports, users, groups. Combinations of two address families
// are left out. Every other bad combination has its own errors.
func (p *parser) expand(r *Rule, l *lists) {
	ifs, protos, icmps := orOne(l.ifs), orOne(l.protos), orOne(l.icmp)
	srcs, srcPorts, oses := orOne(l.src), orOne(l.srcPorts), orOne(l.oses)
	dsts, dstPorts := orOne(l.dst), orOne(l.dstPorts)
	users, groups := orOne(l.users), orOne(l.groups)

	sizes := [...]int{
		len(ifs), len(protos), len(icmps), len(srcs), len(srcPorts), len(oses), len(dsts), len(dstPorts), len(users), len(groups),
	}
	count := 1
	for _, n := range sizes {
		if count *= n; count > maxRules-p.rules {
			p.fatal(fmt.Sprintf("rules expand to more than %d", maxRules))
		}
	}
	p.rules += count

	added, bad := 0, false // One bad combination spoils those that follow it.
	for n := range count {
		var at [len(sizes)]int // Places in the lists; the last turns fastest.
		for i, n := len(sizes)-1, n; i >= 0; i-- {
			at[i], n = n%sizes[i], n/sizes[i]
		}
		rule := *r
		iface, icmp, src, dst := ifs[at[0]], icmps[at[2]], &srcs[at[3]], &dsts[at[6]]
		rule.Interface, rule.IfNot = iface.name, iface.not
		if !fitFamilies(&rule, src, dst) {
			continue
		}
		rule.Proto, rule.ICMP, rule.OS = protos[at[1]], icmp.ICMPType, oses[at[5]]
		rule.Src = Peer{src.addr, src.not, srcPorts[at[4]]}
		rule.Dst = Peer{dst.addr, dst.not, dstPorts[at[7]]}
		rule.User, rule.Group = users[at[8]], groups[at[9]]
		p.expandLabels(&rule, src, dst)
		bad = p.checkMask(srcs[at[3]:], rule.Family) || bad
		bad = p.checkMask(dsts[at[6]:], rule.Family) || bad
		rule.Src.Addr, rule.Dst.Addr = src.addr, dst.addr
		bad = p.fitProto(&rule, icmp.proto) || bad
		if !p.consistent(&rule) || bad {
			p.errorf("skipping rule due to errors")
			continue
		}
		p.anchor.count++
		p.addRule(&rule)
		added++
	}
	if added == 0 {
		p.errorf("rule expands to no valid combination")
	}
}

// addRule puts a rule into the ruleset being read.
func (p *parser) addRule(r *Rule) {
	if c := r.Call; c != nil && c.Body == nil && len(c.Name)-max(strings.LastIndexByte(c.Name, '/'), 0) > maxAnchor {
		p.die("pfctl_add_rule: strlcpy")
	}
	l := p.anchor.rules.list(r.Action)
	*l = append(*l, r)
}

// fitFamilies settles the rule's family and, for link-local addresses, its interface. It returns false when the two ends
// do not go together.
func fitFamilies(r *Rule, src, dst *hostNode) bool {
	differ := func(a, b Family) bool { return a != AnyFamily && b != AnyFamily && a != b }
	if differ(r.Family, src.af) || differ(r.Family, dst.af) || differ(src.af, dst.af) {
		return false
	}
	apart := func(a, b string) bool { return a != "" && b != "" && a != b }
	if apart(src.scope, dst.scope) || apart(src.scope, r.Interface) || apart(dst.scope, r.Interface) {
		return false
	}
	if r.Family == AnyFamily {
		r.Family = max(src.af, dst.af)
	}
	if r.Interface == "" {
		if r.Interface = src.scope; r.Interface == "" {
			r.Interface = dst.scope
		}
	}
	return true
}

// fitProto takes away what holds for TCP only. It reports an ICMP type of another protocol, and that it did.
func (p *parser) fitProto(r *Rule, icmp uint8) (bad bool) {
	if n := r.Proto.Number; n != 0 && n != protoTCP {
		if r.Keep == ModulateState || r.Keep == SynproxyState {
			r.Keep = KeepState
		}
		r.Flags, r.FlagSet = 0, 0
	}
	if icmp != 0 && r.Proto.Number != icmp {
		p.errorf("icmp-type mismatch")
		return true
	}
	return false
}

// checkMask complains of an IPv4 netmask beyond 32, once, and shortens that of interfaces in parentheses. Only the first
// address is looked at, as pfctl does.
func (p *parser) checkMask(hosts []hostNode, af Family) (bad bool) {
	h := &hosts[0]
	if af != Inet || h.addr.Kind == AddrTable {
		return false
	}
	if h.addr.Kind == AddrDynamic && h.addr.Bits > 32 {
		h.addr.Bits = 32
	}
	if h.addr.Bits > 32 {
		p.report(bare, fmt.Sprintf("netmask %d invalid for IPv4 address", h.addr.Bits))
		return true
	}
	return false
}

// decideFamily gives a rule without a family that of its hosts, if they agree.
func decideFamily(hosts []hostNode, af *Family) {
	if *af != AnyFamily || len(hosts) == 0 {
		return
	}
	for _, h := range hosts {
		if h.af != hosts[0].af {
			return
		}
	}
	*af = hosts[0].af
}

// dropOtherFamilies removes the hosts that are not of the rule's family, which is that of the first host that has one
// unless it is set.
func dropOtherFamilies(hosts []hostNode, af *Family) []hostNode {
	return slices.DeleteFunc(hosts, func(h hostNode) bool {
		if *af != AnyFamily && h.af != AnyFamily && h.af != *af {
			return true
		}
		if *af == AnyFamily {
			*af = h.af
		}
		return false
	})
}

// consistent reports what does not go together in a rule.
func (p *parser) consistent(r *Rule) bool {
	before := len(p.errs)
	tcpUDP := r.Proto.Number == protoTCP || r.Proto.Number == protoUDP
	switch r.Action {
	case RDR, NoRDR:
		p.rdrConsistent(r, tcpUDP)
		return len(p.errs) == before
	case NAT, NoNAT, Binat, NoBinat:
		return true
	}
	ports := r.Src.Port.Op != OpNone || r.Dst.Port.Op != OpNone
	icmp := r.ICMP != ICMPType{}
	if !tcpUDP && ports {
		p.errorf("port only applies to tcp/udp")
		if r.Proto.Number == 0 {
			p.hint("a rule with a port needs proto tcp, proto udp or proto { tcp udp }")
		}
	}
	if r.Proto.Number != protoICMP && r.Proto.Number != protoICMPv6 && icmp {
		p.errorf("icmp-type/code only applies to icmp")
	}
	if r.Family == AnyFamily && icmp {
		p.errorf("must indicate address family with icmp-type/code")
		p.hint("write inet before proto icmp, inet6 before proto icmp6")
	}
	if r.Overload != "" && r.MaxSrcConn == 0 && r.MaxSrcConnSecs == 0 {
		p.errorf("'overload' requires 'max-src-conn' or 'max-src-conn-rate'")
	}
	if r.Proto.Number == protoICMP && r.Family == Inet6 {
		p.errorf("proto icmp doesn't match address family inet6")
	}
	if r.Proto.Number == protoICMPv6 && r.Family == Inet {
		p.errorf("proto icmp6 doesn't match address family inet")
	}
	if r.AllowOpts && r.Action != Pass {
		p.errorf("allow-opts can only be specified for pass rules")
	}
	if r.Fragment && (ports || r.FlagSet != 0 || icmp) {
		p.errorf("fragments can be filtered only on IP header fields")
	}
	if r.Return == ReturnRST && r.Proto.Number != protoTCP {
		p.errorf("return-rst can only be applied to TCP rules")
	}
	if r.Action == Block && r.Keep != NoState {
		p.errorf("keep state on block rules doesn't make sense")
	}
	return len(p.errs) == before
}

func (p *parser) rdrConsistent(r *Rule, tcpUDP bool) {
	if !tcpUDP {
		if r.Src.Port.Op != OpNone {
			p.errorf("src port only applies to tcp/udp")
		}
		if r.Dst.Port.Op != OpNone {
			p.errorf("dst port only applies to tcp/udp")
		}
		if r.Pool != nil && r.Pool.LowPort != 0 {
			p.errorf("rpool port only applies to tcp/udp")
		}
	}
	if op := r.Dst.Port.Op; op != OpNone && op != OpEqual && op != OpRange {
		p.errorf("invalid port operator for rdr destination port")
	}
}

// expandLabels replaces $if, $srcaddr and so on in labels and tags.
func (p *parser) expandLabels(r *Rule, src, dst *hostNode) {
	if !strings.Contains(r.Label, "$") && !strings.Contains(r.Tag, "$") && !strings.Contains(r.Tagged, "$") {
		return
	}
	iface, proto := r.Interface, r.Proto
	if iface == "" {
		iface = "any"
	}
	if proto.Number == 0 {
		proto = p.host.proto(0)
	}
	if proto.Name == "" {
		proto.Name = strconv.Itoa(int(proto.Number))
	}
	values := [...][2]string{
		{"$if", iface},
		{"$srcaddr", labelAddr(r.Family, src)},
		{"$dstaddr", labelAddr(r.Family, dst)},
		{"$srcport", labelPort(r.Src.Port)},
		{"$dstport", labelPort(r.Dst.Port)},
		{"$proto", proto.Name},
		{"$nr", strconv.Itoa(p.anchor.count)},
	}
	for _, s := range []struct {
		text *string
		max  int
	}{{&r.Label, maxLabel}, {&r.Tag, maxTag}, {&r.Tagged, maxTag}} {
		for _, v := range values {
			*s.text = strings.ReplaceAll(*s.text, v[0], v[1])
			if len(*s.text) > s.max {
				p.die("expand_label: label too long")
			}
		}
		*s.text = p.intern(*s.text)
	}
}

func labelAddr(af Family, h *hostNode) string {
	var s string
	switch a := h.addr; a.Kind {
	case AddrDynamic:
		s = "(" + a.Name + ")"
	case AddrTable:
		s = "<" + a.Name + ">"
	case AddrNoRoute:
		s = "no-route"
	case AddrURPF:
		s = "urpf-failed"
	case AddrMask:
		if s = "any"; af != AnyFamily {
			s = string(appendAddr(nil, a, af))
		}
	default:
		s = "?"
	}
	if h.not {
		return "! " + s
	}
	return s
}

// labelPort is a port in a label. A range with a colon is nothing there, as in pfctl.
func labelPort(r PortRange) string {
	a, b := strconv.Itoa(int(r.A)), strconv.Itoa(int(r.B))
	switch r.Op {
	case OpNone, OpRange:
		return ""
	case OpInside:
		return a + "><" + b
	case OpOutside:
		return a + "<>" + b
	case OpEqual:
		return a
	}
	return opSigns[r.Op] + a
}

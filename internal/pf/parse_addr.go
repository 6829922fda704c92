package pf

import (
	"net/netip"
	"strconv"
	"strings"
)

// A hostNode is one address of a list before expansion.
type hostNode struct {
	addr  Addr
	af    Family // AnyFamily for interfaces in parentheses, tables and the like.
	not   bool
	scope string // Interface of a link-local address.
	iface string // Interface of a route target.
}

// Lengths of names that the kernel holds.
const (
	maxInterface = 15
	maxTable     = 31
	maxTag       = 63
	maxLabel     = 63
	maxQueue     = 63
	maxRTable    = 255
	maxAnchor    = 63 // Of the part from the last slash on, which counts.
)

// hostList reads what stands after from and to: any (nil), an address, or a list.
func (p *parser) hostList() []hostNode { return p.hosts(0) }

func (p *parser) hosts(depth int) []hostNode {
	switch p.peek() {
	case "any":
		p.take()
		return nil
	case "{":
		if depth == maxNest {
			p.fail("lists are nested too deep")
		}
		p.take()
		nodes := p.hosts(depth + 1)
		for !p.got("}") {
			p.got(",")
			nodes = append(nodes, p.hosts(depth+1)...)
			if len(nodes) > maxRules {
				p.fail("list is too long, max %d addresses", maxRules)
			}
		}
		return nodes
	}
	return p.notHost()
}

// notHost reads an address that may be negated.
func (p *parser) notHost() []hostNode {
	not := p.got("!")
	var nodes []hostNode
	switch p.peek() {
	case "no-route":
		p.take()
		nodes = []hostNode{{addr: Addr{Kind: AddrNoRoute}}}
	case "urpf-failed":
		p.take()
		nodes = []hostNode{{addr: Addr{Kind: AddrURPF}}}
	default:
		nodes = p.hostSpec()
	}
	for i := range nodes {
		nodes[i].not = not
	}
	return nodes
}

// hostSpec reads one address as it stands in a text. Names of interfaces and hosts become as many addresses as they have.
func (p *parser) hostSpec() []hostNode {
	switch p.peek() {
	case kindString:
		first := p.take().text
		switch p.peek() {
		case "-":
			p.take()
			return p.addrRange(first, p.want(kindString).text)
		case "/":
			p.take()
			return p.lookup(first + "/" + strconv.FormatInt(p.want(kindNumber).num, 10))
		}
		return p.lookup(first)
	case kindNumber: // 10/8
		first := p.take().num
		p.want("/")
		return p.lookup(strconv.FormatInt(first, 10) + "/" + strconv.FormatInt(p.want(kindNumber).num, 10))
	case "(":
		n := p.dynamic()
		if p.got("/") {
			bits := p.want(kindNumber).num
			if bits < 0 || bits > 128 {
				p.fail("bit number too big")
			}
			n.addr.Bits = uint8(bits)
		}
		return []hostNode{n}
	case "<":
		p.take()
		name := p.want(kindString).text
		p.want(">")
		if len(name) > maxTable {
			p.fail("table name '%s' too long", name)
		}
		return []hostNode{{addr: Addr{Kind: AddrTable, Name: p.intern(name)}}}
	case "route":
		p.take()
		name := p.want(kindString).text
		if len(name) > maxQueue {
			p.fail("route label too long, max %d chars", maxQueue)
		}
		return []hostNode{{addr: Addr{Kind: AddrLabel, Name: p.intern(name)}}}
	}
	p.syntaxError()
	return nil
}

func (p *parser) addrRange(from, to string) []hostNode {
	b := p.lookup(from)
	e := p.lookup(to)
	single := func(nodes []hostNode) bool {
		return len(nodes) == 1 && nodes[0].addr.Kind == AddrMask &&
			nodes[0].addr.IP.IsValid() && int(nodes[0].addr.Bits) == nodes[0].addr.IP.BitLen()
	}
	if !single(b) || !single(e) || b[0].af != e[0].af {
		p.fail("invalid address range")
	}
	b[0].addr = Addr{Kind: AddrRange, IP: b[0].addr.IP, End: e[0].addr.IP}
	return b[:1]
}

// dynamic reads (interface:modifiers).
func (p *parser) dynamic() hostNode {
	p.want("(")
	spec := p.want(kindString).text
	p.want(")")
	if spec == "" || !isAlpha(int(spec[0])) {
		p.fail("invalid interface name '%s'", spec)
	}
	name, mods, bad := cutMods(spec)
	if bad != "" {
		p.fail("interface %s has bad modifier", bad)
	}
	if m := mods & modMode; m&(m-1) != 0 {
		p.fail("illegal combination of interface modifiers")
	}
	if len(name) > maxInterface {
		p.fail("interface name too long")
	}
	return hostNode{addr: Addr{Kind: AddrDynamic, Name: p.intern(name), Mods: mods, Bits: 128}}
}

// cutMods cuts the modifiers off an interface address. bad is what is left in front of, and with, one that does not exist.
func cutMods(s string) (name string, mods Mods, bad string) {
	for {
		i := strings.LastIndexByte(s, ':')
		if i < 0 {
			return s, mods, ""
		}
		switch s[i+1:] {
		case "network":
			mods |= ModNetwork
		case "broadcast":
			mods |= ModBroadcast
		case "peer":
			mods |= ModPeer
		case "0":
			mods |= ModNoAlias
		default:
			return "", 0, s
		}
		s = s[:i]
	}
}

// lookup finds the addresses that a word stands for: an interface, a literal, a host name.
func (p *parser) lookup(s string) []hostNode {
	nodes := p.resolve(s)
	if len(nodes) == 0 {
		p.errorf("could not parse host specification")
		if n := len(p.errs); n > 1 && p.errs[n-2].style == bare {
			p.errs[n-1].OnMac = p.errs[n-2].OnMac
		}
		panic(abandon{})
	}
	return nodes
}

func (p *parser) resolve(s string) []hostNode {
	name, mask := s, -1
	if i := strings.LastIndexByte(s, '/'); i >= 0 {
		n, err := strconv.ParseInt(s[i+1:], 0, 32)
		if err != nil || n > 128 || n < 0 {
			p.report(bare, "invalid netmask '"+s[i:]+"'")
			return nil
		}
		name, mask = s[:i], int(n)
	}
	if nodes := p.interfaceAddrs(name, mask); nodes != nil {
		return nodes
	}
	if ip, ok := parseNet4(name, mask); ok {
		return []hostNode{{addr: ip, af: Inet}}
	}
	if n, ok := p.parse6(name, mask); ok {
		return []hostNode{n}
	}
	if nodes := p.hostNames(name, mask); nodes != nil {
		return nodes
	}
	p.report(bare, "no IP address found for "+s)
	p.onMac()
	if !strings.ContainsAny(name, ".:") && isInterfaceName(name) {
		p.hint("no interface %s on this Mac; (%s) would follow it when it appears", name, name)
	}
	return nil
}

// isInterfaceName says whether s looks like the name of an interface: letters, then digits.
func isInterfaceName(s string) bool {
	digits := strings.TrimLeft(s, "abcdefghijklmnopqrstuvwxyz")
	return digits != s && digits != "" && strings.Trim(digits, "0123456789") == ""
}

func (p *parser) interfaceAddrs(s string, mask int) []hostNode {
	name, mods, bad := cutMods(s)
	if bad != "" {
		return nil
	}
	if m := mods & modMode; m&(m-1) != 0 {
		p.report(bare, "illegal combination of interface modifiers")
		return nil
	}
	if mods&(ModNetwork|ModBroadcast) != 0 && mask >= 0 {
		p.report(bare, "network or broadcast lookup, but extra netmask given")
		return nil
	}
	if name != "self" && !p.host.knows(name) {
		return nil
	}
	nodes := p.host.addrs(name, mods)
	if mask >= 0 {
		for i := range nodes {
			ip := nodes[i].addr.IP
			if !ip.IsValid() {
				ip = zeroIP(nodes[i].af)
			}
			nodes[i].addr = maskAddr(ip, mask)
		}
	}
	return nodes
}

// parseNet4 reads an IPv4 address; with a mask it may have fewer than four numbers.
func parseNet4(s string, mask int) (Addr, bool) {
	if mask < 0 {
		ip, err := netip.ParseAddr(s)
		if err != nil || !ip.Is4() {
			return Addr{}, false
		}
		return maskAddr(ip, 32), true
	}
	if mask > 32 {
		return Addr{}, false
	}
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		return Addr{}, false
	}
	var ip [4]byte
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil || part[0] == '+' {
			return Addr{}, false
		}
		ip[i] = byte(n)
	}
	return maskAddr(netip.AddrFrom4(ip), mask), true
}

func (p *parser) parse6(s string, mask int) (hostNode, bool) {
	ip, err := netip.ParseAddr(s)
	if err != nil || !ip.Is6() {
		return hostNode{}, false
	}
	n := hostNode{af: Inet6, scope: ip.Zone()}
	if n.scope != "" && p.host.iface(n.scope) == nil {
		return hostNode{}, false
	}
	if mask < 0 {
		mask = 128
	}
	n.addr = maskAddr(ip, mask)
	return n, true
}

// hostNames resolves a host name, or an IPv4 address in one of its old spellings.
func (p *parser) hostNames(s string, mask int) []hostNode {
	s, one := strings.CutSuffix(s, ":0")
	ips := p.host.Names[s]
	if ip, ok := parseOld4(s); ok {
		ips = []netip.Addr{ip}
	}
	var nodes []hostNode
	var got4, got6 bool
	for _, ip := range ips {
		if one && (ip.Is4() && got4 || ip.Is6() && got6) {
			continue
		}
		got4, got6 = got4 || ip.Is4(), got6 || ip.Is6()
		bits := mask
		if bits < 0 {
			bits = ip.BitLen()
		}
		nodes = append(nodes, hostNode{addr: maskAddr(ip, bits), af: familyOf(ip), scope: ip.Zone()})
	}
	return nodes
}

// parseOld4 reads 10.1 as 10.0.0.1, and octal and hexadecimal numbers, as every resolver does.
func parseOld4(s string) (netip.Addr, bool) {
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var ip uint32
	for i, part := range parts {
		if part == "" || !isDigit(int(part[0])) || strings.Contains(part, "_") || strings.HasPrefix(part, "0b") || strings.HasPrefix(part, "0o") {
			return netip.Addr{}, false
		}
		bits := 8
		if i == len(parts)-1 {
			bits = 8 * (5 - len(parts))
		}
		n, err := strconv.ParseUint(part, 0, bits)
		if err != nil {
			return netip.Addr{}, false
		}
		ip = ip<<bits | uint32(n)
	}
	return netip.AddrFrom4([4]byte{byte(ip >> 24), byte(ip >> 16), byte(ip >> 8), byte(ip)}), true
}

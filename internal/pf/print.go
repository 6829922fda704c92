package pf

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
)

// String is the rule as pfctl -s rules or -s nat prints it. An anchor call has the name as it was written.
func (r *Rule) String() string {
	name := ""
	if r.Call != nil {
		name = r.Call.Name
	}
	return string(appendRule(nil, r, name))
}

var actionNames = [...]string{
	"pass", "block", "scrub", "no scrub", "nat", "no nat", "binat", "no binat", "rdr", "no rdr", "dummynet", "no dummynet",
}

var anchorNames = [...]string{
	"anchor", "anchor", "scrub-anchor", "scrub-anchor", "nat-anchor", "nat-anchor", "binat-anchor", "binat-anchor",
	"rdr-anchor", "rdr-anchor", "dummynet-anchor", "dummynet-anchor",
}

var opSigns = [...]string{
	OpInside: "><", OpEqual: "=", OpNotEqual: "!=", OpLess: "<", OpLessEq: "<=", OpGreater: ">", OpGreaterEq: ">=", OpOutside: "<>",
}

// appendRule appends r as pfctl prints it, with an anchor call under the given name. Names that begin with _ are those
// of anchors without a name.
func appendRule(b []byte, r *Rule, name string) []byte {
	if r.Call != nil {
		b = append(b, anchorNames[r.Action]...)
		if !strings.HasPrefix(name, "_") {
			b = append(b, " \""+name+"\""...)
		}
	} else {
		b = append(b, actionNames[r.Action]...)
		if r.NATPass {
			b = append(b, " pass"...)
		}
	}
	if r.Action == Block {
		b = appendReturn(b, r)
	}
	b = appendMatch(b, r)
	b = appendState(b, r)
	b = appendScrub(b, r)
	if r.Label != "" {
		b = append(b, " label \""+r.Label+"\""...)
	}
	switch {
	case r.Queue != "" && r.AckQueue != "":
		b = append(b, " queue("+r.Queue+", "+r.AckQueue+")"...)
	case r.Queue != "":
		b = append(b, " queue "+r.Queue...)
	}
	if r.Tag != "" {
		b = append(b, " tag "+r.Tag...)
	}
	if r.Tagged != "" {
		if r.TaggedNot {
			b = append(b, " !"...)
		}
		b = append(b, " tagged "+r.Tagged...)
	}
	if r.RTable != -1 {
		b = strconv.AppendInt(append(b, " rtable "...), int64(r.RTable), 10)
	}
	if r.Pipe != 0 {
		b = strconv.AppendInt(append(b, " pipe "...), int64(r.Pipe), 10)
	}
	if r.Pool != nil && r.Route == NoRoute {
		b = appendPool(append(b, " -> "...), r)
	}
	return b
}

func appendReturn(b []byte, r *Rule) []byte {
	switch r.Return {
	case ReturnAny:
		return append(b, " return"...)
	case ReturnRST:
		b = append(b, " return-rst"...)
		if r.ReturnTTL != 0 {
			b = append(strconv.AppendInt(append(b, "(ttl "...), int64(r.ReturnTTL), 10), ')')
		}
		return b
	case ReturnICMP:
		code := func(c uint16, af Family) string {
			if name, ok := icmpCodeByNumber(uint8(c>>8), uint8(c), af); ok {
				return name
			}
			return strconv.Itoa(int(uint8(c)))
		}
		switch r.Family {
		case Inet:
			return append(b, " return-icmp("+code(r.ICMP4, Inet)+")"...)
		case Inet6:
			return append(b, " return-icmp6("+code(r.ICMP6, Inet6)+")"...)
		}
		return append(b, " return-icmp("+code(r.ICMP4, Inet)+", "+code(r.ICMP6, Inet6)+")"...)
	}
	return append(b, " drop"...)
}

// appendMatch appends what the rule compares packets with.
func appendMatch(b []byte, r *Rule) []byte {
	switch r.Direction {
	case In:
		b = append(b, " in"...)
	case Out:
		b = append(b, " out"...)
	}
	b = appendLog(b, r)
	if r.Quick {
		b = append(b, " quick"...)
	}
	if r.Interface != "" {
		b = append(b, " on "...)
		if r.IfNot {
			b = append(b, "! "...)
		}
		b = append(b, r.Interface...)
	}
	if r.Route != NoRoute {
		b = append(b, [...]string{Fastroute: " fastroute", RouteTo: " route-to ", ReplyTo: " reply-to ", DupTo: " dup-to "}[r.Route]...)
		if r.Pool != nil {
			b = appendPool(b, r)
		}
	}
	switch r.Family {
	case Inet:
		b = append(b, " inet"...)
	case Inet6:
		b = append(b, " inet6"...)
	}
	if r.Proto.Number != 0 {
		b = append(b, " proto "...)
		if r.Proto.Name != "" {
			b = append(b, r.Proto.Name...)
		} else {
			b = strconv.AppendInt(b, int64(r.Proto.Number), 10)
		}
	}
	if r.Src == (Peer{}) && r.Dst == (Peer{}) && r.OS == "" {
		b = append(b, " all"...)
	} else {
		b = appendPeer(append(b, " from "...), r.Src, r.Family)
		if r.OS != "" {
			b = append(b, " os \""+r.OS+"\""...)
		}
		b = appendPeer(append(b, " to "...), r.Dst, r.Family)
	}
	b = appendID(b, " user", r.User)
	b = appendID(b, " group", r.Group)
	switch {
	case r.Flags|r.FlagSet != 0:
		b = append(appendFlags(append(b, " flags "...), r.Flags), '/')
		b = appendFlags(b, r.FlagSet)
	case r.Action == Pass && (r.Proto.Number == 0 || r.Proto.Number == protoTCP) && !r.Fragment && r.Call == nil && r.Keep != NoState:
		b = append(b, " flags any"...)
	}
	b = appendICMP(b, r)
	if r.TOS != 0 {
		b = append(append(b, " tos 0x"...), hex.EncodeToString([]byte{r.TOS})...)
	}
	return b
}

func appendLog(b []byte, r *Rule) []byte {
	if r.Log == 0 {
		return b
	}
	b = append(b, " log"...)
	var opts []string
	if r.Log&LogAll != 0 {
		opts = append(opts, "all")
	}
	if r.Log&LogUser != 0 {
		opts = append(opts, "user")
	}
	if r.LogIf != 0 {
		opts = append(opts, "to pflog"+strconv.Itoa(int(r.LogIf)))
	}
	if opts != nil {
		b = append(b, " ("+strings.Join(opts, ", ")+")"...)
	}
	return b
}

func appendPeer(b []byte, p Peer, af Family) []byte {
	if p.Not {
		b = append(b, "! "...)
	}
	b = appendAddr(b, p.Addr, af)
	if p.Port.Op != OpNone {
		b = appendOp(append(b, " port"...), p.Port.Op, strconv.Itoa(int(p.Port.A)), strconv.Itoa(int(p.Port.B)))
	}
	return b
}

func appendOp(b []byte, op Op, x, y string) []byte {
	switch op {
	case OpInside, OpOutside:
		return append(b, " "+x+" "+opSigns[op]+" "+y...)
	case OpRange:
		return append(b, " "+x+":"+y...)
	}
	return append(b, " "+opSigns[op]+" "+x...)
}

func appendID(b []byte, word string, r IDRange) []byte {
	if r.Op == OpNone {
		return b
	}
	x := strconv.FormatUint(uint64(r.A), 10)
	if r.A == UnknownID && (r.Op == OpEqual || r.Op == OpNotEqual) {
		x = "unknown"
	}
	return appendOp(append(b, word...), r.Op, x, strconv.FormatUint(uint64(r.B), 10))
}

func appendFlags(b []byte, f uint8) []byte {
	for i := range len(tcpFlags) {
		if f&(1<<i) != 0 {
			b = append(b, tcpFlags[i])
		}
	}
	return b
}

func appendICMP(b []byte, r *Rule) []byte {
	if r.ICMP.Type == 0 {
		return b
	}
	b = append(b, " icmp"...)
	if r.Family == Inet6 {
		b = append(b, '6')
	}
	b = append(b, "-type "...)
	typ := uint8(r.ICMP.Type - 1)
	if name, ok := icmpTypeByNumber(typ, r.Family); ok {
		b = append(b, name...)
	} else {
		b = strconv.AppendInt(b, int64(typ), 10)
	}
	if r.ICMP.Code == 0 {
		return b
	}
	b = append(b, " code "...)
	if name, ok := icmpCodeByNumber(typ, uint8(r.ICMP.Code-1), r.Family); ok {
		return append(b, name...)
	}
	return strconv.AppendInt(b, int64(r.ICMP.Code-1), 10)
}

// appendState appends the state the rule makes, with its options.
func appendState(b []byte, r *Rule) []byte {
	switch {
	case r.Keep == NoState && r.Action == Pass && r.Call == nil:
		b = append(b, " no state"...)
	case r.Keep == KeepState:
		b = append(b, " keep state"...)
	case r.Keep == ModulateState:
		b = append(b, " modulate state"...)
	case r.Keep == SynproxyState:
		b = append(b, " synproxy state"...)
	}
	if r.Probability != 0 {
		s := strconv.FormatFloat(float64(r.Probability)*100/(1<<32), 'f', 6, 64)
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
		b = append(b, " probability "+s+"%"...)
	}
	sep := " ("
	add := func(s string) {
		b = append(append(b, sep...), s...)
		sep = ", "
	}
	number := func(word string, n uint32) {
		if n != 0 {
			add(word + " " + strconv.FormatUint(uint64(n), 10))
		}
	}
	number("max", r.MaxStates)
	if r.NoSync {
		add("no-sync")
	}
	switch r.SourceTrack {
	case SourceTrackGlobal:
		add("source-track global")
	case SourceTrackRule:
		add("source-track rule")
	}
	number("max-src-states", r.MaxSrcStates)
	number("max-src-conn", r.MaxSrcConn)
	if r.MaxSrcConnLimit != 0 {
		number("max-src-conn-rate", r.MaxSrcConnLimit)
		b = strconv.AppendUint(append(b, '/'), uint64(r.MaxSrcConnSecs), 10)
	}
	number("max-src-nodes", r.MaxSrcNodes)
	if r.Overload != "" {
		add("overload <" + r.Overload + ">" + [...]string{"", " flush", " flush global"}[r.Flush])
	}
	if r.IfBound {
		add("if-bound")
	}
	for t, n := range r.Timeouts {
		number(timeoutNames[t], n)
	}
	if sep == ", " {
		b = append(b, ')')
	}
	return b
}

func appendScrub(b []byte, r *Rule) []byte {
	word := func(on bool, s string) {
		if on {
			b = append(b, s...)
		}
	}
	word(r.Fragment, " fragment")
	word(r.NoDF, " no-df")
	word(r.RandomID, " random-id")
	if r.MinTTL != 0 {
		b = strconv.AppendInt(append(b, " min-ttl "...), int64(r.MinTTL), 10)
	}
	if r.MaxMSS != 0 {
		b = strconv.AppendInt(append(b, " max-mss "...), int64(r.MaxMSS), 10)
	}
	word(r.AllowOpts, " allow-opts")
	if r.Action == Scrub {
		word(r.ReassembleTCP, " reassemble tcp")
		switch {
		case r.FragDrop:
			b = append(b, " fragment drop-ovl"...)
		case r.FragCrop:
			b = append(b, " fragment crop"...)
		default:
			b = append(b, " fragment reassemble"...)
		}
	}
	return b
}

// appendPool appends the targets of a route or translation.
func appendPool(b []byte, r *Rule) []byte {
	pool := r.Pool
	if len(pool.Addrs) > 1 {
		b = append(b, "{ "...)
	}
	for i, a := range pool.Addrs {
		if i > 0 {
			b = append(b, ", "...)
		}
		switch {
		case r.Route == NoRoute:
			b = appendAddr(b, a.Addr, r.Family)
		case a.Addr == Addr{}:
			b = append(b, a.Interface...)
		default:
			b = append(appendAddr(append(b, "("+a.Interface+" "...), a.Addr, r.Family), ')')
		}
	}
	if len(pool.Addrs) > 1 {
		b = append(b, " }"...)
	}
	b = appendPoolPorts(b, r)
	switch pool.Type {
	case PoolBitmask:
		b = append(b, " bitmask"...)
	case PoolRandom:
		b = append(b, " random"...)
	case PoolSourceHash:
		b = append(append(b, " source-hash 0x"...), hex.EncodeToString(pool.Key[:])...)
	case PoolRoundRobin:
		b = append(b, " round-robin"...)
	}
	if pool.Sticky {
		b = append(b, " sticky-address"...)
	}
	if r.Action == NAT && pool.LowPort == 0 && pool.HighPort == 0 {
		b = append(b, " static-port"...)
	}
	return b
}

func appendPoolPorts(b []byte, r *Rule) []byte {
	low, high := r.Pool.LowPort, r.Pool.HighPort
	switch {
	case r.Action == NAT && low == natPortLow && high == natPortHigh, low == 0 && (high == 0 || r.Action != NAT):
		return b
	case r.Action != NAT && r.Action != RDR:
		return b
	}
	b = strconv.AppendInt(append(b, " port "...), int64(low), 10)
	if high != low && (high != 0 || r.Action == NAT) {
		b = strconv.AppendInt(append(b, ':'), int64(high), 10)
	}
	return b
}

// appendAddr appends an address of the given family.
func appendAddr(b []byte, a Addr, af Family) []byte {
	full := uint8(128)
	if af == Inet {
		full = 32
	}
	switch a.Kind {
	case AddrDynamic:
		b = append(b, "("+a.Name...)
		for _, m := range [...]struct {
			mod  Mods
			name string
		}{{ModNetwork, ":network"}, {ModBroadcast, ":broadcast"}, {ModPeer, ":peer"}, {ModNoAlias, ":0"}} {
			if a.Mods&m.mod != 0 {
				b = append(b, m.name...)
			}
		}
		b = append(b, ')')
	case AddrTable:
		return append(b, "<"+a.Name+">"...)
	case AddrNoRoute:
		return append(b, "no-route"...)
	case AddrURPF:
		return append(b, "urpf-failed"...)
	case AddrLabel:
		return append(b, "route \""+a.Name+"\""...)
	case AddrRange:
		return appendIP(append(appendIP(b, a.IP), " - "...), a.End)
	default:
		if a == (Addr{}) {
			return append(b, "any"...)
		}
		b = appendIP(b, a.IP)
	}
	if a.Bits != full {
		b = strconv.AppendInt(append(b, '/'), int64(a.Bits), 10)
	}
	return b
}

// appendIP appends an address as inet_ntop prints it, which differs from netip for IPv4 addresses in IPv6 ones.
func appendIP(b []byte, ip netip.Addr) []byte {
	if ip.Is6() {
		x := ip.As16()
		if [12]byte(x[:12]) == ([12]byte{}) && (x[12] != 0 || x[13] != 0) {
			return netip.AddrFrom4([4]byte(x[12:])).AppendTo(append(b, "::"...))
		}
	}
	return ip.AppendTo(b)
}

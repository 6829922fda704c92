package pf

// The timeouts, in the kernel's order, which is the order they are printed in. Apple's kernel has six more than the
// release it descends from, for GREv1 and ESP; it is likely, not certain, that it spells two of them so.
const (
	tmTCPFirst Timeout = iota
	tmTCPOpening
	tmTCPEstablished
	tmTCPClosing
	tmTCPFinWait
	tmTCPClosed
	tmUDPFirst
	tmUDPSingle
	tmUDPMultiple
	tmICMPFirst
	tmICMPError
	tmGREFirst
	tmGREInitiating
	tmGREEstablished
	tmESPFirst
	tmESPInitiating
	tmESPEstablished
	tmOtherFirst
	tmOtherSingle
	tmOtherMultiple
	tmFrag
	tmInterval
	tmAdaptiveStart
	tmAdaptiveEnd
	tmSrcTrack
	tmTSDiff
	timeoutCount
)

var timeoutNames = [timeoutCount]string{
	"tcp.first", "tcp.opening", "tcp.established", "tcp.closing", "tcp.finwait", "tcp.closed",
	"udp.first", "udp.single", "udp.multiple",
	"icmp.first", "icmp.error",
	"grev1.first", "grev1.initiating", "grev1.estblished",
	"esp.first", "esp.initiating", "esp.estblished",
	"other.first", "other.single", "other.multiple",
	"frag", "interval", "adaptive.start", "adaptive.end", "src.track", "tcp.tsdiff",
}

func timeoutByName(name string) (Timeout, bool) {
	for t, n := range timeoutNames {
		if n == name {
			return Timeout(t), true
		}
	}
	return 0, false
}

// limitNames are the pools that "set limit" knows; app-states is Apple's.
var limitNames = []string{"states", "app-states", "src-nodes", "frags", "tables", "table-entries"}

var optimizationNames = []string{"normal", "satellite", "high-latency", "conservative", "aggressive"}

var debugNames = []string{"none", "urgent", "misc", "loud"}

// tcpFlags are the TCP flags, lowest bit first.
const tcpFlags = "FSRPAUEW"

// parseFlags reads a set of TCP flags; an empty set is all of them.
func parseFlags(s string) (uint8, bool) {
	var f uint8
	for _, c := range []byte(s) {
		bit := indexByte(tcpFlags, c)
		if bit < 0 {
			return 0, false
		}
		f |= 1 << bit
	}
	if f == 0 {
		f = 0xff
	}
	return f, true
}

func indexByte(s string, c byte) int {
	for i := range len(s) {
		if s[i] == c {
			return i
		}
	}
	return -1
}

type icmpName struct {
	name string
	typ  uint8
}

type icmpCodeName struct {
	name      string
	typ, code uint8
}

// icmpUnreach and icmp6Unreach are the types that block rules answer with.
const (
	icmpUnreach  = 3
	icmp6Unreach = 1
)

var icmpTypes = []icmpName{
	{"echoreq", 8},
	{"echorep", 0},
	{"unreach", icmpUnreach},
	{"squench", 4},
	{"redir", 5},
	{"althost", 6},
	{"routeradv", 9},
	{"routersol", 10},
	{"timex", 11},
	{"paramprob", 12},
	{"timereq", 13},
	{"timerep", 14},
	{"inforeq", 15},
	{"inforep", 16},
	{"maskreq", 17},
	{"maskrep", 18},
	{"trace", 30},
	{"dataconv", 31},
	{"mobredir", 32},
	{"ipv6-where", 33},
	{"ipv6-here", 34},
	{"mobregreq", 35},
	{"mobregrep", 36},
	{"skip", 39},
	{"photuris", 40},
}

var icmp6Types = []icmpName{
	{"unreach", icmp6Unreach},
	{"toobig", 2},
	{"timex", 3},
	{"paramprob", 4},
	{"echoreq", 128},
	{"echorep", 129},
	{"groupqry", 130},
	{"listqry", 130},
	{"grouprep", 131},
	{"listenrep", 131},
	{"groupterm", 132},
	{"listendone", 132},
	{"routersol", 133},
	{"routeradv", 134},
	{"neighbrsol", 135},
	{"neighbradv", 136},
	{"redir", 137},
	{"routrrenum", 138},
	{"wrureq", 139},
	{"wrurep", 140},
	{"fqdnreq", 139},
	{"fqdnrep", 140},
	{"niqry", 139},
	{"nirep", 140},
	{"mtraceresp", 200},
	{"mtrace", 201},
}

var icmpCodes = []icmpCodeName{
	{"net-unr", icmpUnreach, 0},
	{"host-unr", icmpUnreach, 1},
	{"proto-unr", icmpUnreach, 2},
	{"port-unr", icmpUnreach, 3},
	{"needfrag", icmpUnreach, 4},
	{"srcfail", icmpUnreach, 5},
	{"net-unk", icmpUnreach, 6},
	{"host-unk", icmpUnreach, 7},
	{"isolate", icmpUnreach, 8},
	{"net-prohib", icmpUnreach, 9},
	{"host-prohib", icmpUnreach, 10},
	{"net-tos", icmpUnreach, 11},
	{"host-tos", icmpUnreach, 12},
	{"filter-prohib", icmpUnreach, 13},
	{"host-preced", icmpUnreach, 14},
	{"cutoff-preced", icmpUnreach, 15},
	{"redir-net", 5, 0},
	{"redir-host", 5, 1},
	{"redir-tos-net", 5, 2},
	{"redir-tos-host", 5, 3},
	{"normal-adv", 9, 0},
	{"common-adv", 9, 16},
	{"transit", 11, 0},
	{"reassemb", 11, 1},
	{"badhead", 12, 0},
	{"optmiss", 12, 1},
	{"badlen", 12, 2},
	{"unknown-ind", 40, 1},
	{"auth-fail", 40, 2},
	{"decrypt-fail", 40, 3},
}

var icmp6Codes = []icmpCodeName{
	{"admin-unr", icmp6Unreach, 1},
	{"noroute-unr", icmp6Unreach, 0},
	{"notnbr-unr", icmp6Unreach, 2},
	{"beyond-unr", icmp6Unreach, 2},
	{"addr-unr", icmp6Unreach, 3},
	{"port-unr", icmp6Unreach, 4},
	{"transit", 3, 0},
	{"reassemb", 3, 1},
	{"badhead", 4, 0},
	{"nxthdr", 4, 1},
	{"redironlink", 137, 0},
	{"redirrouter", 137, 1},
}

func icmpTypeNames(af Family) []icmpName {
	if af == Inet6 {
		return icmp6Types
	}
	return icmpTypes
}

func icmpCodeNames(af Family) []icmpCodeName {
	if af == Inet6 {
		return icmp6Codes
	}
	return icmpCodes
}

func icmpTypeByName(name string, af Family) (uint8, bool) {
	for _, t := range icmpTypeNames(af) {
		if t.name == name {
			return t.typ, true
		}
	}
	return 0, false
}

func icmpTypeByNumber(typ uint8, af Family) (string, bool) {
	for _, t := range icmpTypeNames(af) {
		if t.typ == typ {
			return t.name, true
		}
	}
	return "", false
}

func icmpCodeByName(typ uint8, name string, af Family) (uint8, bool) {
	for _, c := range icmpCodeNames(af) {
		if c.typ == typ && c.name == name {
			return c.code, true
		}
	}
	return 0, false
}

func icmpCodeByNumber(typ, code uint8, af Family) (string, bool) {
	for _, c := range icmpCodeNames(af) {
		if c.typ == typ && c.code == code {
			return c.name, true
		}
	}
	return "", false
}

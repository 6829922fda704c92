package pf

import "net/netip"

// An Action says what a rule does.
type Action uint8

// The actions. Block rules say how in Rule.Return.
const (
	Pass Action = iota
	Block
	Scrub
	NoScrub
	NAT
	NoNAT
	Binat
	NoBinat
	RDR
	NoRDR
	Dummynet
	NoDummynet
)

// A Direction is the way of a packet, seen from the host.
type Direction uint8

// The directions; InOut is a rule for both.
const (
	InOut Direction = iota
	In
	Out
)

// A Family is an address family; AnyFamily is a rule for both.
type Family uint8

// The families.
const (
	AnyFamily Family = iota
	Inet
	Inet6
)

// Return says how a block rule answers.
type Return uint8

// The answers of a block rule.
const (
	Drop       Return = iota
	ReturnAny         // RST for TCP, ICMP for the rest.
	ReturnRST         // With TTL Rule.ReturnTTL, or the default when that is 0.
	ReturnICMP        // With the codes Rule.ICMP4 and Rule.ICMP6.
)

// Keep says which state a pass rule makes.
type Keep uint8

// The kinds of state.
const (
	NoState Keep = iota
	KeepState
	ModulateState
	SynproxyState
)

// RouteMode says what a rule does to the way of its packets.
type RouteMode uint8

// The route modes.
const (
	NoRoute RouteMode = iota
	Fastroute
	RouteTo
	ReplyTo
	DupTo
)

// Logging says what a rule logs; it is a set.
type Logging uint8

// The bits of Logging. Log is set whenever another is.
const (
	Log Logging = 1 << iota
	LogAll
	LogUser
)

// SourceTrack says how sources are counted.
type SourceTrack uint8

// The ways of counting sources.
const (
	NoSourceTrack SourceTrack = iota
	SourceTrackGlobal
	SourceTrackRule
)

// Flush says which states an overload kills.
type Flush uint8

// What an overload kills: nothing, the states of its rule, all states of the source.
const (
	NoFlush Flush = iota
	FlushRule
	FlushGlobal
)

// A Proto is an IP protocol. The zero Proto is any. Name is the host's name of it, "" when it has none.
type Proto struct {
	Number uint8
	Name   string
}

// The protocols that rules treat specially.
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
)

// An Op compares a port, a user or a group.
type Op uint8

// The operators; the zero Op matches everything.
const (
	OpNone      Op = iota
	OpInside       // a >< b, without the ends.
	OpEqual        // = a.
	OpNotEqual     // != a.
	OpLess         // < a.
	OpLessEq       // <= a.
	OpGreater      // > a.
	OpGreaterEq    // >= a.
	OpOutside      // a <> b.
	OpRange        // a:b, with the ends.
)

// A PortRange is a set of ports. The zero PortRange is all.
type PortRange struct {
	Op   Op
	A, B uint16
}

// An IDRange is a set of users or groups. The zero IDRange is all.
type IDRange struct {
	Op   Op
	A, B uint32
}

// UnknownID is the user and the group of a packet that belongs to no socket, "unknown" in rules. Numbers from here on
// are refused in rules.
const UnknownID = 1<<31 - 1

// An AddrKind says which fields of an Addr count.
type AddrKind uint8

// The kinds of address.
const (
	AddrMask    AddrKind = iota // IP/Bits; the zero Addr is any.
	AddrRange                   // IP - End.
	AddrDynamic                 // (Name:Mods)/Bits, the addresses that interface Name has when the packet comes.
	AddrTable                   // <Name>.
	AddrNoRoute
	AddrURPF
	AddrLabel // route Name.
)

// Mods are the modifiers of an interface address.
type Mods uint8

// The modifiers.
const (
	ModNetwork Mods = 1 << iota
	ModBroadcast
	ModPeer
	ModNoAlias // :0.

	modMode = ModNetwork | ModBroadcast | ModPeer
)

// An Addr is what a rule compares an address with. Addrs compare with ==; the zero Addr is any.
type Addr struct {
	Kind    AddrKind
	Mods    Mods
	Bits    uint8
	IP, End netip.Addr
	Name    string
}

// A Peer is one end of the packets that a rule is for.
type Peer struct {
	Addr Addr
	Not  bool
	Port PortRange
}

// A PoolType says how an address is chosen from a pool.
type PoolType uint8

// The pool types.
const (
	PoolNone PoolType = iota
	PoolBitmask
	PoolRandom
	PoolSourceHash
	PoolRoundRobin
)

// A PoolAddr is one target of a pool. Interface is used in route pools only; a zero Addr there means the interface alone.
type PoolAddr struct {
	Addr      Addr
	Interface string
}

// A Pool is where translated or routed packets go.
type Pool struct {
	Addrs    []PoolAddr
	Type     PoolType
	Key      [16]byte // Of a source hash.
	Sticky   bool
	LowPort  uint16 // As the kernel holds them: nat without ports is 50001 to 65535, static-port 0 to 0.
	HighPort uint16
}

// The ports that nat chooses from when a rule does not say.
const (
	natPortLow  = 50001
	natPortHigh = 65535
)

// A Timeout names one of pf's timeouts.
type Timeout uint8

// ICMPType is an ICMP type and code as a rule holds them: one more than on the wire, 0 for any.
type ICMPType struct {
	Type, Code uint16
}

// A Rule is one rule as the kernel holds it: no lists, no macros, defaults filled in. Rules are made by Parse only and
// are not changed after that.
type Rule struct {
	Pos    Pos
	Action Action
	Call   *Call // Not nil for the call of an anchor; Action says in which ruleset it stands.

	Direction Direction
	Quick     bool
	Log       Logging
	LogIf     uint8
	IfNot     bool
	Interface string // "" is any.
	Family    Family
	Proto     Proto
	Src, Dst  Peer
	OS        string
	User      IDRange
	Group     IDRange
	Flags     uint8 // TCP flags that must be set,
	FlagSet   uint8 // out of these.
	ICMP      ICMPType
	TOS       uint8

	Return       Return
	ReturnTTL    uint8
	ICMP4, ICMP6 uint16 // Type<<8 | code.

	Keep            Keep
	IfBound         bool
	NoSync          bool
	SourceTrack     SourceTrack
	MaxStates       uint32
	MaxSrcStates    uint32
	MaxSrcConn      uint32
	MaxSrcConnLimit uint32
	MaxSrcConnSecs  uint32
	MaxSrcNodes     uint32
	Overload        string
	Flush           Flush
	Timeouts        [timeoutCount]uint32

	Probability uint32 // Of 1<<32; 0 is always.
	Fragment    bool
	AllowOpts   bool
	Label       string
	Queue       string
	AckQueue    string
	Tag         string
	Tagged      string
	TaggedNot   bool
	RTable      int16 // -1 is none.
	Pipe        uint16

	Route RouteMode
	Pool  *Pool // Of a route or translation; nil else.

	NATPass bool // nat pass, rdr pass, binat pass.

	// Of scrub rules.
	NoDF          bool
	RandomID      bool
	ReassembleTCP bool
	FragCrop      bool
	FragDrop      bool
	MinTTL        uint8
	MaxMSS        uint16
}

// A Call is what an anchor rule calls.
type Call struct {
	// Name is the name as it was written, wildcard included; _1, _2 and so on for inline anchors without a name.
	Name string

	// Body is the content of an inline anchor. It is shared by all rules that one anchor line expands to. Nil else.
	Body *Ruleset

	// What the kernel makes of Name; see Kernel.Load.
	path     string // The anchor that is called, without the wildcard.
	wildcard bool   // Its children are called, not the anchor itself.
	up       int    // 0 for an absolute name, else one more than the ../ in it.
}

// A Ruleset is what the main ruleset or one anchor holds, each kind in order of evaluation.
type Ruleset struct {
	Scrub    []*Rule
	NAT      []*Rule
	RDR      []*Rule
	Binat    []*Rule
	Filter   []*Rule
	Dummynet []*Rule

	optimized bool
	made      []string // Tables that the optimizer made, as -v prints them.
}

// list is the list of rs that rules with action a are in.
func (rs *Ruleset) list(a Action) *[]*Rule {
	switch a {
	case Scrub, NoScrub:
		return &rs.Scrub
	case NAT, NoNAT:
		return &rs.NAT
	case Binat, NoBinat:
		return &rs.Binat
	case RDR, NoRDR:
		return &rs.RDR
	case Dummynet, NoDummynet:
		return &rs.Dummynet
	}
	return &rs.Filter
}

// A Table is a table definition.
type Table struct {
	Pos     Pos
	Name    string
	Const   bool
	Persist bool
	Entries []TableEntry
	Init    bool // The definition has addresses, if none: loading it replaces the table's content.
}

// A TableEntry is one address or network of a table.
type TableEntry struct {
	Not    bool
	Prefix netip.Prefix
}

package pf

import (
	"slices"
	"strconv"
	"strings"
)

// Parts are what a rule says, taken apart: each in the words in which pfctl prints it, "" for what the rule does not say.
type Parts struct {
	Action    string // pass, block, scrub, nat, no rdr ..., or anchor, rdr-anchor ... for a call
	Response  string // of block: drop, return, return-rst ...
	Call      string // the anchor that is called, wildcard included; "" in a call is an anchor without a name
	Direction string
	Quick     bool
	Log       bool
	Interface string // with "! " before it when the rule is for all others
	Route     string // route-to (lo0 127.0.0.1) ...
	Family    string
	Proto     string
	From, To  string // any, an address, a network, a table <NAME> ..., with "! " before it when the rule is for all others

	FromPort, ToPort string // 22, 1024:65535, != 80 ...

	User, Group string // 501, != 0 ...
	Flags       string // S/SA; any where a rule that keeps state says that
	ICMPType    string // with its code: echoreq, unreach code needfrag ...
	State       string // keep, modulate, synproxy, or no where a rule that passes says that
	Label       string
	Tag, Tagged string
	Target      string // where nat, rdr and binat send what they translate, with its ports
}

// Parts takes the rule apart.
func (r *Rule) Parts() Parts {
	p := Parts{
		Action: actionNames[r.Action], Quick: r.Quick, Log: r.Log != 0, Proto: r.Proto.String(), User: idText(r.User), Group: idText(r.Group),
		Label: r.Label, Tag: r.Tag, Tagged: r.Tagged,
	}
	text := func(b []byte) string { return strings.TrimPrefix(string(b), " ") }
	if r.Call != nil {
		p.Action = anchorNames[r.Action]
		if !strings.HasPrefix(r.Call.Name, "_") {
			p.Call = r.Call.Name
		}
	} else if r.Action == Block {
		p.Response = text(appendReturn(nil, r))
	}
	p.Direction = [...]string{InOut: "", In: "in", Out: "out"}[r.Direction]
	p.Interface = negated(r.IfNot && r.Interface != "", r.Interface)
	if r.Route != NoRoute {
		p.Route = [...]string{Fastroute: "fastroute", RouteTo: "route-to", ReplyTo: "reply-to", DupTo: "dup-to"}[r.Route]
		if r.Pool != nil {
			p.Route += " " + text(appendPool(nil, r))
		}
	} else if r.Pool != nil {
		p.Target = text(appendPool(nil, r))
	}
	p.Family = [...]string{AnyFamily: "", Inet: "inet", Inet6: "inet6"}[r.Family]
	end := func(peer Peer) (addr, port string) {
		port = text(appendOp(nil, peer.Port.Op, itoa(peer.Port.A), itoa(peer.Port.B)))
		if peer.Port.Op == OpNone {
			port = ""
		}
		return negated(peer.Not, string(appendAddr(nil, peer.Addr, r.Family))), strings.TrimPrefix(port, "= ")
	}
	p.From, p.FromPort = end(r.Src)
	p.To, p.ToPort = end(r.Dst)
	p.Tagged = negated(r.TaggedNot && r.Tagged != "", p.Tagged)
	switch {
	case r.Flags|r.FlagSet != 0:
		p.Flags = string(appendFlags(append(appendFlags(nil, r.Flags), '/'), r.FlagSet))
	case r.Action == Pass && r.Call == nil && r.Keep != NoState && (r.Proto.Number == 0 || r.Proto.Number == protoTCP) && !r.Fragment:
		p.Flags = "any"
	}
	if icmp := text(appendICMP(nil, r)); icmp != "" {
		_, p.ICMPType, _ = strings.Cut(icmp, " ")
	}
	switch {
	case r.Keep != NoState:
		p.State = [...]string{KeepState: "keep", ModulateState: "modulate", SynproxyState: "synproxy"}[r.Keep]
	case r.Action == Pass && r.Call == nil:
		p.State = "no"
	}
	return p
}

func negated(not bool, text string) string {
	if not {
		return "! " + text
	}
	return text
}

func itoa(n uint16) string { return strconv.Itoa(int(n)) }

// idText is a comparison of a user or a group; "" if there is none.
func idText(r IDRange) string {
	return strings.TrimPrefix(strings.TrimPrefix(string(appendID(nil, "", r)), " "), "= ")
}

// String is the protocol's name, or its number where it has none; "" is any.
func (p Proto) String() string {
	switch {
	case p.Number == 0:
		return ""
	case p.Name != "":
		return p.Name
	}
	return strconv.Itoa(int(p.Number))
}

// All are all rules of the ruleset: scrub, nat, rdr, binat, filter, dummynet. The bodies of inline anchors are not among them.
func (rs *Ruleset) All() []*Rule {
	lists := rs.lists()
	return slices.Concat(lists[:]...)
}

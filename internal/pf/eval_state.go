package pf

import (
	"fmt"
	"net/netip"
	"slices"
)

// A State is a connection that pf knows. Packets of it pass in both directions without a look at the rules, also after
// the rule is gone.
type State struct {
	Proto     uint8
	Direction Direction // Of the packet that made it.
	Interface string    // Where it was made.
	Bound     bool      // It holds on Interface only.
	Rule      *Rule     // The filter rule that made it; nil when only a translation did.
	Anchor    string    // The anchor that Rule is in.

	// LAN is our end as we see it, Gateway our end as it is on the wire, Remote the other end.
	LAN, Gateway, Remote netip.AddrPort
}

// States are all states, the oldest first.
func (k *Kernel) States() []State {
	states := make([]State, len(k.states))
	for i, s := range k.states {
		states[i] = *s
	}
	return states
}

// A stateKey is how a packet finds its state: a packet that comes in by the ends on the wire, one that goes out by ours.
type stateKey struct {
	dir   Direction
	proto uint8
	ours  netip.AddrPort
	other netip.AddrPort
}

// find is the state that a packet belongs to, or nil.
func (k *Kernel) find(p Packet) *State {
	key := stateKey{Out, p.Proto, p.Src, p.Dst}
	if p.Direction == In {
		key = stateKey{In, p.Proto, p.Dst, p.Src}
	}
	for _, s := range k.byKey[key] {
		if !s.Bound || s.Interface == p.Interface {
			return s
		}
	}
	return nil
}

func (s *State) keys() [2]stateKey {
	return [2]stateKey{{Out, s.Proto, s.LAN, s.Remote}, {In, s.Proto, s.Gateway, s.Remote}}
}

// translate is a packet of the state as it goes on.
func (s *State) translate(p Packet) Packet {
	if p.Direction == In {
		p.Dst = s.LAN
	} else {
		p.Src = s.Gateway
	}
	return p
}

// keep makes the state for a packet as it came and as it goes on.
func (k *Kernel) keep(before, after Packet, res Result) *State {
	s := &State{
		Proto: before.Proto, Direction: before.Direction, Interface: before.Interface, Rule: res.Rule, Anchor: res.Anchor,
		Bound: res.Rule != nil && res.Rule.IfBound,
	}
	if before.Direction == In {
		s.Remote, s.Gateway, s.LAN = before.Src, before.Dst, after.Dst
	} else {
		s.LAN, s.Gateway, s.Remote = before.Src, after.Src, before.Dst
	}
	k.addState(s)
	return s
}

func (k *Kernel) addState(s *State) {
	k.states = append(k.states, s)
	if k.byKey == nil {
		k.byKey = make(map[stateKey][]*State)
	}
	for _, key := range s.keys() {
		k.byKey[key] = append(k.byKey[key], s)
	}
}

// ClearStates forgets all connections and returns how many there were.
func (k *Kernel) ClearStates() int {
	n := len(k.states)
	k.states, k.byKey = nil, nil
	return n
}

// KillStates forgets the connections that were made from src to dst, and returns how many. The zero prefix is everywhere.
func (k *Kernel) KillStates(src, dst netip.Prefix) int {
	n := 0
	k.states = slices.DeleteFunc(k.states, func(s *State) bool {
		from, to := s.LAN, s.Remote
		if s.Direction == In {
			from, to = s.Remote, s.LAN
		}
		if src.IsValid() && !src.Contains(from.Addr()) || dst.IsValid() && !dst.Contains(to.Addr()) {
			return false
		}
		for _, key := range s.keys() {
			k.byKey[key] = slices.DeleteFunc(k.byKey[key], func(other *State) bool { return other == s })
		}
		n++
		return true
	})
	return n
}

// StateLines are the states as pfctl -s states prints them, all of them as just established.
func (k *Kernel) StateLines() []string {
	lines := make([]string, len(k.states))
	for i, s := range k.states {
		proto, level := (&Host{}).proto(s.Proto).Name, "0:0"
		switch s.Proto {
		case protoTCP:
			level = "ESTABLISHED:ESTABLISHED"
		case protoUDP:
			level = "MULTIPLE:MULTIPLE"
		}
		if proto == "" {
			proto = fmt.Sprint(s.Proto)
		}
		arrow := " -> "
		if s.Direction == In {
			arrow = " <- "
		}
		ends := endLine(s.Gateway) + arrow + endLine(s.Remote)
		if s.LAN != s.Gateway {
			ends = endLine(s.LAN) + arrow + ends
		}
		iface := "ALL"
		if s.Bound {
			iface = s.Interface
		}
		lines[i] = iface + " " + proto + " " + ends + "       " + level
	}
	return lines
}

func endLine(a netip.AddrPort) string {
	if a.Port() == 0 {
		return a.Addr().String()
	}
	if a.Addr().Is4() {
		return a.String()
	}
	return fmt.Sprintf("%s[%d]", a.Addr(), a.Port())
}

package pf

import "net/netip"

// A State is a connection that pf knows. Packets of it pass in both directions without a look at the rules.
type State struct{}

// ClearStates forgets all connections and returns how many there were.
func (k *Kernel) ClearStates() int {
	n := len(k.states)
	k.states = nil
	return n
}

// KillStates forgets the connections between src and dst; a zero dst is everywhere.
func (k *Kernel) KillStates(src, dst netip.Prefix) int { return 0 }

// StateLines are the states as pfctl -s states prints them.
func (k *Kernel) StateLines() []string { return nil }

package pf

import "net/netip"

// A passage is a packet of a conversation and what pf did with it.
type passage struct {
	packet Packet
	result Result
	fate   Verdict
	why    string // When the rules alone do not say: a sentence.
}

// A course is how a conversation went, up to its end or to the packet that was not passed, which is then the last.
type course struct {
	passages []passage
	mayKeep  bool // Somewhere it was not known whether a state is made.
}

func (c course) last() passage { return c.passages[len(c.passages)-1] }

// A turn is one packet of a conversation: who sends it, and how it looks.
type turn struct {
	answers bool // The end that did not begin.
	flags   uint8
	icmp    uint8
}

// turns is what a conversation of a protocol consists of. A conversation that is open may go on by the word of either end.
func turns(proto uint8, open, answersFirst bool) []turn {
	const (
		echoReply, echo   = 0, 8
		echoReply6, echo6 = 129, 128
	)
	switch {
	case proto == protoICMP:
		return []turn{{icmp: echo}, {answers: true, icmp: echoReply}}
	case proto == protoICMPv6:
		return []turn{{icmp: echo6}, {answers: true, icmp: echoReply6}}
	case proto == protoTCP && !open:
		return []turn{
			{flags: SYN},
			{answers: true, flags: SYN | ACK},
			{flags: ACK},
			{flags: PSH | ACK},
			{answers: true, flags: ACK},
			{answers: true, flags: PSH | ACK},
		}
	}
	var flags uint8
	if proto == protoTCP {
		flags = PSH | ACK
	}
	a, b := answersFirst, !answersFirst
	return []turn{{answers: a, flags: flags}, {answers: b, flags: flags}, {answers: a, flags: flags &^ PSH}, {answers: b, flags: flags &^ PSH}}
}

// try finds out what becomes of a conversation, and notes it if it is the first of its fate.
func (s *search) try(k *Kernel, t talk) {
	got, c := s.fate(k, t)
	if s.found[got] != nil {
		return
	}
	s.found[got] = &t
	*[]**Conversation{&s.out.Pass, &s.out.Cut, &s.out.Unsure}[got] = c
}

// fate is what becomes of a conversation.
func (s *search) fate(k *Kernel, t talk) (Verdict, *Conversation) {
	got, c := s.run(k, t, false)
	if !s.f.Open || t.proto == protoICMP || t.proto == protoICMPv6 {
		return got, c
	}
	other, d := s.run(k, t, true)
	switch got {
	case other:
		return got, c
	case Passed:
		c = d
	}
	if got != Unknown && other != Unknown {
		speaker := [...]string{In: "the Mac", Out: "the other end"}[c.Packet.Direction]
		c.Why = "It goes on only if " + speaker + " speaks first. " + c.Why
		c.Cure = ""
	}
	return Unknown, c
}

// run lets the conversation take its course. When it is not known whether a packet makes a state, it is tried with it and
// without it.
func (s *search) run(k *Kernel, t talk, answersFirst bool) (Verdict, *Conversation) {
	all := turns(t.proto, s.f.Open, answersFirst)
	c := s.course(k, t, all, false)
	got := c.last().fate
	if c.mayKeep {
		with := s.course(k, t, all, true)
		if with.last().fate != got {
			last := with.last()
			if got != Passed {
				last = c.last()
			}
			conv := c.conversation(last)
			conv.Why = "It cannot be told beforehand whether a rule makes a state for it, without which this packet does not pass."
			return Unknown, conv
		}
	}
	return got, s.told(c)
}

// course is the way of the turns through the rules of k.
func (s *search) course(k *Kernel, t talk, all []turn, assumeState bool) (c course) {
	k.ClearStates()
	defer k.ClearStates()
	own, remote := netip.AddrPortFrom(t.own, t.ownPort), netip.AddrPortFrom(t.remote, t.remotePort)
	if t.proto == protoICMP || t.proto == protoICMPv6 {
		const query = 1
		own, remote = netip.AddrPortFrom(t.own, query), netip.AddrPortFrom(t.remote, query)
	}
	// Where packets for the Mac arrive, and whom the other end hears; a translation of the opening packet changes one of them.
	local, wire := own, own
	for i, turn := range all {
		p := Packet{Direction: s.f.Direction, Interface: t.iface, Proto: t.proto, Flags: turn.flags}
		if turn.answers {
			p.Direction = In + Out - p.Direction
		}
		p.ICMP.Type = turn.icmp
		if p.Direction == In {
			p.Src, p.Dst = remote, wire
		} else {
			p.Src, p.Dst = local, remote
		}
		e := s.evaluation(k, t)
		e.p, e.assumeState = p, assumeState
		res := k.test(e)
		pass := passage{packet: p, result: res, fate: res.Verdict}
		c.mayKeep = c.mayKeep || e.mayKeep
		if pass.fate == Passed {
			pass.fate, pass.why = s.delivered(e, res, i == 0 && !s.f.Open, &local, &wire)
		}
		if c.passages = append(c.passages, pass); pass.fate != Passed {
			return c
		}
	}
	return c
}

// delivered says what becomes of a packet that passed: whether it comes to where it is waited for. The first one settles
// where that is.
func (s *search) delivered(e *evaluation, res Result, first bool, local, wire *netip.AddrPort) (Verdict, string) {
	for _, o := range e.outcomes() {
		if o.rule != nil && o.rule.detours(e.p) {
			return Unknown, "The rule sends packets another way than the routes of the Mac do (" + o.rule.String() + "), and what happens there is not known."
		}
	}
	seen, expected := res.Packet.Src, wire
	if res.Packet.Direction == In {
		seen, expected = res.Packet.Dst, local
	}
	switch {
	case seen == *expected:
		return Passed, ""
	case first && res.Packet.Direction == In && !s.isOwn(seen.Addr()):
		return Unknown, "A translation rule sends it on to " + seen.String() + ", and what happens on the way there is not known."
	case first:
		*expected = seen
		return Passed, ""
	case res.Packet.Direction == In:
		return Blocked, "A translation rule makes it arrive at " + seen.String() + ", where nobody waits for it, since no state says otherwise."
	}
	return Blocked, "A translation rule makes it come from " + seen.String() + ", whom the other end does not know, since no state says otherwise."
}

// isOwn says whether packets for ip stay on the Mac.
func (s *search) isOwn(ip netip.Addr) bool {
	if ip.IsLoopback() {
		return true
	}
	for _, i := range s.h.Interfaces {
		for _, a := range i.Addrs {
			if a.Prefix.Addr().WithZone("") == ip {
				return true
			}
		}
	}
	return false
}

// detours says whether the rule takes p, or the answer to it, off the interface that it is on.
func (r *Rule) detours(p Packet) bool {
	if r.Route != RouteTo && r.Route != ReplyTo {
		return false
	}
	if (r.Route == RouteTo) == (p.Direction == In) {
		return true // A packet for the Mac itself is sent on.
	}
	for _, to := range r.Pool.Addrs {
		if to.Interface != p.Interface {
			return true
		}
	}
	return false
}

// conversation is what is told of a course when a passage decides.
func (c course) conversation(p passage) *Conversation {
	return &Conversation{Packet: p.packet, Answer: p.packet != c.passages[0].packet, Rule: p.result.Rule, Anchor: p.result.Anchor}
}

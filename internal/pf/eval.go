package pf

import (
	"net/netip"
	"slices"
)

// A Packet is what pf decides over.
type Packet struct {
	Direction Direction // In or Out.
	Interface string
	Proto     uint8
	Src, Dst  netip.AddrPort // The port is the query's number for ICMP, and 0 for protocols without ports.
	Flags     uint8          // TCP flags.
	ICMP      struct{ Type, Code uint8 }
	TOS       uint8
	Fragment  bool   // A fragment that is not the first, so that it has no ports.
	Options   bool   // It has IP options.
	Owner     *Owner // Of the local socket; nil is not known.
	Tag       string // That another rule has put on it.
}

// TCP flags.
const (
	FIN uint8 = 1 << iota
	SYN
	RST
	PSH
	ACK
)

// An Owner is the owner of a socket; both are UnknownID for packets that belong to no socket.
type Owner struct {
	User, Group uint32
}

// A Verdict is what pf does with a packet.
type Verdict uint8

// The verdicts.
const (
	Passed Verdict = iota
	Blocked
	Unknown // It cannot be known from what is given; Result.Why says why.
)

func (v Verdict) String() string { return [...]string{"pass", "block", "unknown"}[v] }

// A Result is what pf does with a packet and why.
type Result struct {
	Verdict Verdict
	Why     string
	Rule    *Rule  // The filter rule that decided; nil when none did, or it is not known which.
	Anchor  string // The anchor that Rule is in; "" is the main ruleset. Rule.Pos is its place in the anchor's text.
	Packet  Packet // As it goes on: translated, tagged.
	State   *State // The state that passed it, or that it made; nil is none.
}

// Test says what an enabled pf does with a packet, and keeps the state that the packet makes.
//
// Translation comes before filtering. In a ruleset the last rule that matches decides, unless one with quick does; a packet
// that no rule matches passes without a state. What depends on chance, on the owner of an unknown socket, on routes or on
// fingerprints matches perhaps; the verdict is Unknown if that makes a difference. Limits of states and sources, TCP
// sequence numbers, ICMP errors about a state, scrubbing, dummynet and what route-to does to other interfaces are not
// modelled. The port that nat chooses is taken to be its first.
//
// It takes time linear in the number of rules of the anchors that are called.
func (k *Kernel) Test(h *Host, p Packet) Result { return k.test(&evaluation{h: h, p: p}) }

// test is Test for what is in e.
func (k *Kernel) test(e *evaluation) Result {
	p := e.p
	if k.skip[p.Interface] {
		return Result{Verdict: Passed, Why: "set skip on " + p.Interface, Packet: p}
	}
	if s := k.find(p); s != nil {
		return Result{Verdict: Passed, Why: "state", Packet: s.translate(p), State: s, Rule: s.Rule, Anchor: s.Anchor}
	}
	e.k, e.tag = k, p.Tag
	nat := e.translate()
	if e.lost != "" {
		return Result{Verdict: Unknown, Why: e.lost, Packet: p}
	}
	e.current = append(e.current, outcome{})
	if nat == nil || !nat.NATPass {
		e.path, e.outer = "", nil
		if done, _ := e.filter("", true); done {
			e.current = nil
		}
	}
	if e.lost != "" {
		return Result{Verdict: Unknown, Why: e.lost, Packet: p}
	}
	res := e.result()
	res.Packet = e.p
	res.Packet.Tag = e.tag
	if res.Verdict != Passed {
		return res
	}
	keeps := e.keeps()
	if nat != nil {
		keeps = yes
	}
	e.mayKeep = keeps == perhaps
	if keeps == yes || e.mayKeep && e.assumeState {
		res.State = k.keep(p, e.p, res)
	}
	return res
}

// truth is how sure it is that a rule matches.
type truth uint8

const (
	no truth = iota
	perhaps
	yes
)

// An outcome is a rule that may be the one to decide; the zero outcome is no rule.
type outcome struct {
	rule   *Rule
	anchor string
}

// An evaluation is the way of one packet through the rules.
type evaluation struct {
	k *Kernel
	h *Host
	p Packet

	path    string    // The anchor whose rules are being asked.
	outer   []string  // The anchors that called it.
	steps   int       // Rules asked so far.
	current []outcome // The last rule that matched: one of these.
	ended   []outcome // What a quick rule that perhaps matches has decided.
	tag     string
	tagOpen bool   // The tag is perhaps another.
	why     string // The first thing that was not known.
	lost    string // Why it cannot go on.
	mayKeep bool   // The packet passes, and it is not known whether it makes a state.

	// Of a packet that stands for those of a flow.
	anyTOS      bool       // Its TOS is not known.
	own         netip.Addr // An address that its interface has and h does not know of. The zero Addr is none.
	assumeState bool       // It makes a state if it perhaps does.
}

// filter goes through the filter rules of an anchor; sure says whether it is certain that they are asked. It returns
// whether the decision has fallen, and whether a rule has matched.
func (e *evaluation) filter(path string, sure bool) (done bool, matched truth) {
	for _, r := range e.enter(path, Pass) {
		m := e.matches(r)
		if m == no {
			continue
		}
		if !sure {
			m = perhaps
		}
		e.setTag(r.Tag, m)
		if r.Call != nil {
			inside := no
			for _, target := range e.k.targets(r.Call) {
				done, got := e.filter(target, m == yes)
				if done {
					return true, yes
				}
				inside = max(inside, got)
			}
			matched = max(matched, inside)
			if r.Quick && inside != no {
				e.ended = append(e.ended, e.current...)
				if inside == yes {
					return true, yes
				}
			}
			continue
		}
		matched = max(matched, m)
		o := outcome{r, path}
		switch {
		case r.Quick:
			if e.ended = append(e.ended, o); m == yes {
				return true, yes
			}
		case m == yes:
			e.current = append(e.current[:0], o)
		default:
			e.current = append(e.current, o)
		}
	}
	e.leave()
	return false, matched
}

// Anchors may call each other in circles.
const (
	maxCalls = 64      // The kernel ignores calls that are deeper.
	maxSteps = 1 << 22 // Rules asked; more is more than a packet can wait for.
)

// enter begins to ask the rules of an anchor. Every enter but the last has its leave.
func (e *evaluation) enter(path string, kind Action) []*Rule {
	e.outer = append(e.outer, e.path)
	e.path = path
	a := e.k.anchors[path]
	if a == nil || len(e.outer) > maxCalls || e.lost != "" {
		return nil
	}
	rules := *a.rules.list(kind)
	if e.steps += len(rules) + 1; e.steps > maxSteps {
		e.lost = "anchors call each other without end"
		return nil
	}
	return rules
}

func (e *evaluation) leave() {
	e.path = e.outer[len(e.outer)-1]
	e.outer = e.outer[:len(e.outer)-1]
}

// targets are the anchors that a call asks, in order.
func (k *Kernel) targets(c *Call) []string {
	if c.Name == "" {
		return nil
	}
	if !c.wildcard {
		return []string{c.path}
	}
	children, err := k.Children(c.path)
	if err != nil {
		return nil
	}
	return children
}

func (e *evaluation) setTag(tag string, m truth) {
	if tag == "" {
		return
	}
	if m == yes {
		e.tag, e.tagOpen = tag, false
	} else {
		e.tagOpen = true
	}
}

// outcomes are all rules that may have decided.
func (e *evaluation) outcomes() []outcome { return slices.Concat(e.ended, e.current) }

// result is the verdict that all outcomes agree in.
func (e *evaluation) result() Result {
	all := e.outcomes()
	verdict := func(o outcome) Verdict {
		switch {
		case o.rule == nil:
			return Passed
		case o.rule.Action == Block, e.p.Options && !o.rule.AllowOpts:
			return Blocked
		}
		return Passed
	}
	res := Result{Verdict: verdict(all[0])}
	for _, o := range all[1:] {
		if verdict(o) != res.Verdict {
			return Result{Verdict: Unknown, Why: e.why}
		}
	}
	if len(all) > 1 {
		res.Why = "whichever rule decides: " + e.why
		return res
	}
	if all[0].rule == nil {
		res.Why = "no rule matches"
		return res
	}
	res.Rule, res.Anchor, res.Why = all[0].rule, all[0].anchor, all[0].rule.String()
	return res
}

// keeps says whether the packet makes a state: whether every outcome does, or perhaps the one that it is.
func (e *evaluation) keeps() truth {
	all, some := yes, no
	for _, o := range e.outcomes() {
		if o.rule == nil || o.rule.Keep == NoState {
			all = perhaps
		} else {
			some = yes
		}
	}
	return min(all, some)
}

// unsure notes what was not known and returns perhaps.
func (e *evaluation) unsure(why string) truth {
	if e.why == "" {
		e.why = why
	}
	return perhaps
}

package pfctl

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
)

// Planned is what the plans of one run are going to do to the rules of one Mac. They are judged together, each on top of those
// that were planned before it. The zero Planned is ready; its methods may be called from many goroutines.
type Planned struct {
	mu      sync.Mutex
	intents []Intent // in the order in which they were planned; one for each anchor, and one for pf
	survey  *Survey  // the Mac that what follows is about
	changed bool     // whether any intent changes its rules
	future  *world   // its rules after those that do; nil: nobody has asked yet
}

// An Intent is what a resource is going to do to a Mac, and what it demands of the rules that are there then.
type Intent struct {
	Anchor string // whose rules they are; "" is pf itself, which is to be enabled
	Text   string // the rules
	Want   Rules  // what Text loads to
	Gone   bool   // the anchor is to be removed

	// Table is a table of the anchor, if it is that and not the rules that changes: it is to hold Addresses. Text, Want and Gone then mean
	// nothing.
	Table     string
	Addresses []string

	Pass, Block []pf.Flow // what must pass then, and what must not
	Demands     bool      // Pass and Block are new, and looked at even if no rules change
	Forced      bool      // it will be done whatever speaks against it
}

// A Finding is something that speaks against an intent.
type Finding struct {
	Kind Kind
	What string   // the flow in a few words; "" when it is not about one
	Flow *pf.Flow // nil when it is not about one
	// Demanded is true when it is about a demand of a resource, and not about what every Mac needs. Those come last.
	Demanded bool

	Conversation *pf.Conversation // an example of the flow; nil when there is none, and then Why says all
	Why          string

	// Place is where the rule stands that decides, such as `line 3 of the rules of anchor "web"`, and Line what is written there.
	// Both are "" when no rule decides.
	Place, Line string
}

// A Kind is what a finding says.
type Kind int

// The kinds of findings.
const (
	Cut   Kind = iota // what passed, or has to pass, would be cut
	Leak              // what has to be blocked would pass
	Stall             // the connection that is open now would stall; a new one is another matter
	Doubt             // it cannot be told
)

// Judge says what speaks against the intents of one resource, which has two when it moves to another name. If nothing does, or one
// is forced, they are planned from then on, in place of older ones about the same. Intents that change neither rules nor demands are
// not judged, which costs nothing.
//
// What counts is what passed before and would be cut: the way in that we use, and what the Mac asks for. Anchors are judged as if pf
// were enabled, whether it is or not; to enable it, as a step from where everything passes. What the resource demands must hold,
// whatever held before; what others demand, only if it held.
func (p *Planned) Judge(s *Survey, intents ...Intent) []Finding {
	p.mu.Lock()
	defer p.mu.Unlock()
	others := slices.DeleteFunc(slices.Clone(p.intents), func(old Intent) bool {
		return slices.ContainsFunc(intents, func(in Intent) bool { return in.Anchor == old.Anchor && in.Table == old.Table })
	})
	if p.survey != s || len(others) != len(p.intents) {
		p.intents, p.survey, p.changed, p.future = others, s, slices.ContainsFunc(others, s.changes), nil
	}
	changes := slices.ContainsFunc(intents, s.changes)
	demands := slices.ContainsFunc(intents, func(in Intent) bool {
		return len(in.Pass)+len(in.Block) > 0 && (in.Demands || p.changed)
	})
	var findings []Finding
	if changes || demands {
		if p.future == nil {
			p.future = s.world().with(s, others)
		}
		j := &judgement{survey: s, before: p.future, after: p.future.with(s, intents)}
		j.judge(others, intents)
		findings = j.findings
		against := slices.ContainsFunc(findings, func(f Finding) bool { return f.Kind == Cut || f.Kind == Leak })
		if against && !slices.ContainsFunc(intents, func(in Intent) bool { return in.Forced }) {
			return findings
		}
		p.future = j.after
	}
	p.intents, p.changed = slices.Concat(others, intents), p.changed || changes
	return findings
}

// changes reports whether an intent does anything to the rules that the kernel holds, or to whether it asks them.
func (s *Survey) changes(in Intent) bool {
	switch {
	case in.Anchor == "":
		return !s.Enabled
	case in.Table != "":
		return !slices.Equal(s.Table(in.Anchor, in.Table).Addresses, canonical(in.Addresses))
	case in.Gone:
		return len(s.Anchor(in.Anchor).Loaded) > 0
	}
	c := s.Plan(in.Anchor, in.Want)
	return c.Kernel || c.main
}

// A judgement compares a Mac before and after.
type judgement struct {
	survey        *Survey
	before, after *world
	off           bool // pf is disabled before, so that everything passes
	findings      []Finding
}

func (j *judgement) judge(others, intents []Intent) {
	if riddles := j.after.allRiddles(); len(riddles) > 0 {
		for _, why := range riddles {
			j.findings = append(j.findings, Finding{Kind: Doubt, Why: why})
		}
		return
	}
	enables := func(in Intent) bool { return in.Anchor == "" && !j.survey.Enabled }
	j.off = slices.ContainsFunc(intents, enables)
	if slices.ContainsFunc(intents, j.survey.changes) {
		j.wayIn(j.off || slices.ContainsFunc(others, enables))
		for _, n := range j.survey.asksFor() {
			j.look(n)
		}
		for _, in := range others {
			j.demands(in, false)
		}
	}
	for _, in := range intents {
		j.demands(in, true)
	}
}

// demands looks at what an intent demands: absolutely, or only if it held before.
func (j *judgement) demands(in Intent, absolute bool) {
	flowIn := func(list string) string { return fmt.Sprintf("a flow in %s of anchor %q", list, in.Anchor) }
	for _, f := range in.Pass {
		j.look(need{what: flowIn("must_pass"), flow: f, kind: Cut, demanded: true, absolute: absolute})
	}
	for _, f := range in.Block {
		j.look(need{what: flowIn("must_block"), flow: f, kind: Leak, demanded: true, absolute: absolute})
	}
}

// wayIn looks at the connection that we have, or will make the next time.
func (j *judgement) wayIn(enabled bool) {
	path, ok := j.survey.path()
	if !ok {
		j.findings = append(j.findings, Finding{Kind: Doubt, Why: "The Mac does not say over which of its addresses this connection came in, " +
			"so it is not known whether a new one would be cut."})
		return
	}
	fresh := path
	fresh.SrcPort = pf.PortRange{}
	shown := fresh
	if path.SrcPort.A >= clientPorts.A {
		fresh.SrcPort = clientPorts
	}
	j.look(need{what: "a new SSH connection, the way this one came", flow: fresh, shown: &shown, kind: Cut})
	if enabled {
		path.Open = true
		j.look(need{what: "the SSH connection that is open now", flow: path, kind: Stall})
	}
}

// A need is a flow that matters.
type need struct {
	what     string
	flow     pf.Flow
	kind     Kind     // what it is if it fails: Leak if it passes, the others if it is cut
	shown    *pf.Flow // as which flow is shown; nil: as it is
	general  *pf.Flow // what flow is an example of; nil: nothing else
	demanded bool     // by a resource
	absolute bool     // it counts whatever was before
}

// look finds out whether a need is met.
func (j *judgement) look(n need) {
	shown := cmp.Or(n.shown, &n.flow)
	bad := func(o pf.Outcome) *pf.Conversation {
		if n.kind == Leak {
			return o.Pass
		}
		return o.Cut
	}
	after := j.after.kernel.Converse(j.after.host, n.flow)
	if after == (pf.Outcome{}) && n.absolute && n.kind == Cut {
		j.findings = append(j.findings, Finding{
			Kind: Doubt, What: n.what, Flow: shown, Demanded: n.demanded,
			Why: "The Mac can have no such conversation, with the interfaces and addresses that it has now.",
		})
	}
	if bad(after) == nil && after.Unsure == nil && !after.Sampled {
		return
	}
	var before pf.Outcome // nothing is bad
	switch {
	case n.absolute, len(j.before.riddles) > 0:
	case j.off && n.kind == Leak:
		return // what passes without rules cannot become worse
	case !j.off:
		before = j.before.kernel.Converse(j.before.host, n.flow)
	}
	f := Finding{What: n.what, Flow: shown, Demanded: n.demanded}
	switch {
	case bad(before) != nil:
		return
	case bad(after) != nil:
		f.Kind, f.Conversation = n.kind, j.generally(n, bad(after))
	case before.Unsure != nil || before.Sampled:
		return
	case after.Unsure != nil:
		f.Kind, f.Conversation = Doubt, after.Unsure
	default:
		f.Kind, f.Why = Doubt, "It stands for more kinds of conversations than can be looked at, and among those that were, none is wrong."
	}
	if f.Conversation != nil {
		f.Why = f.Conversation.Why
		f.Place, f.Line = j.after.place(f.Conversation)
	}
	j.findings = append(j.findings, f)
}

// generally gives a conversation the cure of what it is an example of, if the same rule cuts both.
func (j *judgement) generally(n need, c *pf.Conversation) *pf.Conversation {
	if n.general == nil {
		return c
	}
	all := j.after.kernel.Converse(j.after.host, *n.general).Cut
	if all == nil || all.Rule != c.Rule || all.Answer != c.Answer || all.Cure == "" {
		return c
	}
	same := *c
	same.Cure = all.Cure
	return &same
}

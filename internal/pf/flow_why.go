package pf

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// told is the conversation of a course, with why it went so.
func (s *search) told(c course) *Conversation {
	last := c.last()
	switch {
	case last.fate == Passed:
		conv := c.conversation(c.passages[0])
		conv.Why = passed(c)
		return conv
	case last.why != "":
		conv := c.conversation(last)
		conv.Why = last.why
		if last.result.State != nil || last.fate == Blocked {
			conv.Rule, conv.Anchor = nil, "" // It passes; what is wrong is where it goes.
		}
		return conv
	case last.fate == Unknown:
		conv := c.conversation(last)
		conv.Why = "It cannot be told beforehand: " + last.result.Why + "."
		return conv
	}
	conv := c.conversation(last)
	if conv.Answer {
		conv.Why = unanswered(c)
	} else {
		conv.Why = s.unopened(last)
	}
	return conv
}

// passed says why a conversation passes.
func passed(c course) string {
	first := c.passages[0].result
	switch {
	case first.State != nil:
		return "The opening packet makes a state, by which everything after it passes."
	case c.last().result.State != nil:
		return "The opening packet makes no state, but a later one does."
	case strings.HasPrefix(first.Why, "set skip"):
		return "pf does not look at this interface: " + first.Why + "."
	}
	return "No rule blocks any of its packets. It has no state."
}

// unopened says why the first packet does not pass.
func (s *search) unopened(p passage) string {
	r := p.result.Rule
	if r == nil {
		return "Whichever of the rules decides that perhaps match, it is blocked."
	}
	packet := "The opening packet"
	why := ""
	if s.f.Open {
		packet = "The next packet"
		if p.packet.Proto == protoTCP {
			why = "The connection is open already, and pf has no state of it; pass rules make one of the packet that opens a connection, " +
				"unless they say flags any. "
		}
	}
	if r.Quick {
		why += packet + " matches this rule, and quick ends the search there."
	} else {
		why += "This is the last rule that " + strings.ToLower(packet[:1]) + packet[1:] + " matches, and the last one decides."
	}
	switch {
	case p.packet.Direction == Out:
	case r.Return == Drop:
		why += " Nothing is sent back, so the other end waits in vain."
	default:
		why += " The other end is told at once."
	}
	return why
}

// unanswered says why a packet after the first does not pass.
func unanswered(c course) string {
	first, last := c.passages[0], c.last()
	way := [...]string{In: "in", Out: "out"}
	reason := "no rule makes one for it"
	if r := first.result.Rule; r != nil {
		reason = "the rule that passes it makes none, " + r.String() + " (" + where(first.result.Anchor, r) + ")"
	}
	packet := "the answer"
	if len(c.passages) > 2 {
		packet = "a later packet"
	}
	why := fmt.Sprintf("The opening packet passes on its way %s, but without a state: %s. So %s, on its way %s, is looked up in the rules like any other "+
		"packet, and this rule blocks it.", way[first.packet.Direction], reason, packet, way[last.packet.Direction])
	if first.packet.Proto == protoTCP && first.packet.Flags == SYN {
		why += " Unless pass rules say otherwise, they let only packets through that open a connection (flags S/SA)."
	}
	return why
}

// where is the place of a rule, for a person.
func where(anchor string, r *Rule) string {
	if anchor == "" {
		return fmt.Sprintf("line %d of the main ruleset", r.Pos.Line)
	}
	return fmt.Sprintf("line %d of anchor %s", r.Pos.Line, anchor)
}

// explain finds the cure for what is cut, and says of an open conversation whether it could begin anew.
func (s *search) explain() {
	cut := s.out.Cut
	if cut == nil || cut.Rule == nil {
		return
	}
	t := *s.found[Blocked]
	cut.Cure = s.cure(t, cut)
	if s.f.Open {
		s.f.Open = false
		if got, _ := s.fate(s.full.called(), t); got == Passed {
			cut.Why += " A new one passes."
		} else if got == Blocked {
			cut.Why += " A new one does not pass either."
		}
	}
}

// A remedy is a line to be written at a place, by which the conversation may pass.
type remedy struct {
	line   string
	anchor string
	beside *Rule // The rule that it goes before or after; nil is the end of the ruleset.
	after  bool
}

func (r remedy) String() string {
	place := "at the end of the main ruleset"
	if r.beside != nil {
		place = "before " + where(r.anchor, r.beside)
		if r.after {
			place = "after " + where(r.anchor, r.beside)
		}
	}
	return "`" + r.line + "` " + place
}

// cure is the first remedy by which the conversation passes: it is read, put in its place in a copy of all rules, and the
// conversation is tried again there.
func (s *search) cure(t talk, cut *Conversation) string {
	all := turns(t.proto, s.f.Open, false)
	first := s.course(s.full.called(), t, all, false).passages[0].result
	for _, r := range s.remedies(t, cut, first) {
		if k := s.with(r); k != nil {
			if got, _ := s.fate(k, t); got == Passed {
				return r.String()
			}
		}
	}
	return ""
}

// remedies are what may help, the gentlest first: a rule that needs no quick is weighed against those that stand after it.
func (s *search) remedies(t talk, cut *Conversation, first Result) []remedy {
	line := func(quick string) string { return s.line(t, cut, quick) }
	at := func(quick, anchor string, beside *Rule, after bool) remedy {
		return remedy{line(quick), anchor, beside, after}
	}
	var list []remedy
	if cut.Answer {
		list = append(list, at("", cut.Anchor, cut.Rule, false))
		if r := first.Rule; r != nil {
			list = append(list, at("", first.Anchor, r, true), at(" quick", first.Anchor, r, false))
		}
	} else {
		if !cut.Rule.Quick {
			list = append(list, at("", cut.Anchor, cut.Rule, true))
		}
		list = append(list, at(" quick", cut.Anchor, cut.Rule, false))
	}
	return append(list, at("", "", nil, false))
}

// line is a rule that passes what opens the conversation, and the others of the flow there.
func (s *search) line(t talk, cut *Conversation, quick string) string {
	f := s.f
	if f.Direction == Out && cut.Answer {
		return "pass out" + quick + " on " + t.iface + " all keep state"
	}
	if f.Interface == "" && (f.remotePrefixes() == nil || !strings.HasPrefix(t.iface, "utun")) {
		f.Interface = t.iface // The number of a tunnel is another one tomorrow.
	}
	f.Open = false
	direction, rest, _ := strings.Cut(f.String(), " ")
	line := "pass " + direction + quick + " " + rest
	if s.f.Open && t.proto == protoTCP {
		line += " flags any"
	}
	return line + " keep state"
}

// with is a copy of all rules, and r among them; nil if that is no rule.
func (s *search) with(r remedy) *Kernel {
	file, err := Parse("", []byte(r.line+"\n"), Options{Host: s.h})
	if err != nil {
		return nil
	}
	k := &Kernel{anchors: maps.Clone(s.full.anchors), skip: s.full.skip}
	one := new(Kernel)
	if one.Load(time.Time{}, file) != nil {
		return nil
	}
	old := k.anchors[r.anchor]
	if old == nil {
		return nil
	}
	filter := old.rules.Filter
	i := len(filter)
	if r.beside != nil {
		same := func(x *Rule) bool { return x.Pos.Line == r.beside.Pos.Line && x.Call == nil }
		if i = slices.IndexFunc(filter, same); i < 0 {
			return nil
		}
		for r.after && i < len(filter) && same(filter[i]) {
			i++
		}
	}
	changed := &anchor{rules: old.rules, tables: old.tables}
	changed.rules.Filter = slices.Insert(slices.Clone(filter), i, one.anchors[""].rules.Filter...)
	k.anchors[r.anchor] = changed
	return k
}

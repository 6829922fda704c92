package pf

import (
	"math"
	"strings"
)

// A stateOpt is one option in the brackets after keep state.
type stateOpt struct {
	kind    string // The keyword, or "timeout", "lock".
	n, secs uint32
	timeout Timeout
	table   string
	flush   Flush
	track   SourceTrack
	plain   bool // source-track without a word.
	ifBound bool
}

func (p *parser) keep() (Keep, []stateOpt) {
	var keep Keep
	switch p.take().kind {
	case "no":
		p.want("state")
		return NoState, nil
	case "keep":
		keep = KeepState
	case "modulate":
		keep = ModulateState
	case "synproxy":
		keep = SynproxyState
	}
	p.want("state")
	if !p.got("(") {
		return keep, nil
	}
	opts := []stateOpt{p.stateOpt()}
	for !p.got(")") {
		p.got(",")
		opts = append(opts, p.stateOpt())
	}
	return keep, opts
}

func (p *parser) positive() uint32 {
	n := p.want(kindNumber).num
	if n < 0 || n > math.MaxUint32 {
		p.fail("only positive values permitted")
	}
	return uint32(n)
}

func (p *parser) stateOpt() stateOpt {
	switch kind := p.peek(); kind {
	case "max", "max-src-states", "max-src-conn", "max-src-nodes":
		p.take()
		return stateOpt{kind: kind, n: p.positive()}
	case "max-src-conn-rate":
		p.take()
		n := p.want(kindNumber).num
		p.want("/")
		secs := p.want(kindNumber).num
		if n < 0 || n > math.MaxUint32 || secs < 0 || secs > math.MaxUint32 {
			p.fail("only positive values permitted")
		}
		return stateOpt{kind: kind, n: uint32(n), secs: uint32(secs)}
	case "no-sync":
		p.take()
		return stateOpt{kind: kind}
	case "overload":
		p.take()
		p.want("<")
		o := stateOpt{kind: kind, table: p.want(kindString).text}
		p.want(">")
		if p.got("flush") {
			o.flush = FlushRule
			if p.got("global") {
				o.flush = FlushGlobal
			}
		}
		if len(o.table) > maxTable {
			p.fail("table name '%s' too long", o.table)
		}
		return o
	case "source-track":
		p.take()
		switch {
		case p.got("global"):
			return stateOpt{kind: kind, track: SourceTrackGlobal}
		case p.got("rule"):
			return stateOpt{kind: kind, track: SourceTrackRule}
		}
		return stateOpt{kind: kind, plain: true}
	case "if-bound", "floating":
		p.take()
		return stateOpt{kind: "lock", ifBound: kind == "if-bound"}
	case kindString:
		name := p.take().text
		o := stateOpt{kind: "timeout", n: p.positive()}
		t, ok := timeoutByName(name)
		if !ok {
			p.fail("illegal timeout name %s", name)
		}
		if !strings.Contains(name, ".") {
			p.fail("illegal state timeout %s", name)
		}
		o.timeout = t
		return o
	}
	p.syntaxError()
	return stateOpt{}
}

// stateOpts puts the options into a rule and works out what follows from them.
func (p *parser) stateOpts(r *Rule, opts []stateOpt) {
	var tracked, plain, locked, adaptive bool
	var track SourceTrack
	multiple := func(seen bool, what string) {
		if seen {
			p.fail("%s multiple definitions", what)
		}
	}
	positive := func(n uint32, what string) {
		if n == 0 {
			p.fail("'%s' must be > 0", what)
		}
	}
	for _, o := range opts {
		switch o.kind {
		case "max":
			multiple(r.MaxStates != 0, "state option 'max'")
			r.MaxStates = o.n
		case "no-sync":
			multiple(r.NoSync, "state option 'sync'")
			r.NoSync = true
		case "source-track":
			multiple(track != NoSourceTrack || plain, "state option 'source-track'")
			track, plain = o.track, o.plain
			tracked = true
		case "max-src-states":
			multiple(r.MaxSrcStates != 0, "state option 'max-src-states'")
			positive(o.n, o.kind)
			r.MaxSrcStates = o.n
			tracked = true
		case "overload":
			if r.Overload != "" {
				p.fail("multiple 'overload' table definitions")
			}
			r.Overload, r.Flush = p.intern(o.table), o.flush
		case "max-src-conn":
			multiple(r.MaxSrcConn != 0, "state option 'max-src-conn'")
			positive(o.n, o.kind)
			r.MaxSrcConn = o.n
			r.SourceTrack = SourceTrackRule
		case "max-src-conn-rate":
			multiple(r.MaxSrcConnLimit != 0, "state option 'max-src-conn-rate'")
			if o.n == 0 || o.secs == 0 {
				p.fail("'max-src-conn-rate' values must be > 0")
			}
			if o.n > maxRate {
				p.fail("'max-src-conn-rate' maximum rate must be < %d", maxRate)
			}
			r.MaxSrcConnLimit, r.MaxSrcConnSecs = o.n, o.secs
			r.SourceTrack = SourceTrackRule
		case "max-src-nodes":
			multiple(r.MaxSrcNodes != 0, "state option 'max-src-nodes'")
			positive(o.n, o.kind)
			r.MaxSrcNodes = o.n
			r.SourceTrack = SourceTrackRule
		case "lock":
			multiple(locked, "state locking option:")
			locked = true
			r.IfBound = o.ifBound
		case "timeout":
			adaptive = adaptive || o.timeout == tmAdaptiveStart || o.timeout == tmAdaptiveEnd
			multiple(r.Timeouts[o.timeout] != 0, "state timeout "+timeoutNames[o.timeout])
			r.Timeouts[o.timeout] = o.n
		}
	}
	if !adaptive && r.MaxStates != 0 {
		r.Timeouts[tmAdaptiveStart] = r.MaxStates / 10 * 6
		r.Timeouts[tmAdaptiveEnd] = r.MaxStates / 10 * 12
	}
	if tracked || r.SourceTrack != NoSourceTrack {
		if track == SourceTrackGlobal {
			for _, o := range []struct {
				set  bool
				name string
			}{
				{r.MaxSrcNodes != 0, "max-src-nodes"},
				{r.MaxSrcConn != 0, "max-src-conn"},
				{r.MaxSrcConnSecs != 0, "max-src-conn-rate"},
			} {
				if o.set {
					p.fail("'%s' is incompatible with 'source-track global'", o.name)
				}
			}
		}
		r.Timeouts[tmSrcTrack] = max(r.Timeouts[tmSrcTrack], r.MaxSrcConnSecs)
		if r.SourceTrack == NoSourceTrack {
			r.SourceTrack = SourceTrackGlobal
		}
		if track == SourceTrackRule {
			r.SourceTrack = SourceTrackRule
		}
	}
	if r.Keep != NoState && !locked {
		r.IfBound = p.ifBound
	}
}

// maxRate is the highest rate of connections the kernel counts.
const maxRate = math.MaxUint32 / 1000

package pf

import (
	"math"
	"slices"
	"strings"
)

// set reads a set line. In an anchor most of them do nothing; the policies hold for the rules that follow anywhere.
func (p *parser) set() {
	p.take()
	main := p.file.Anchor == ""
	switch p.peek() {
	case "optimization":
		p.take()
		s := p.want(kindString).text
		p.enter(sectionOptions)
		if main {
			if !containsFold(optimizationNames, s) {
				p.warn("invalid state timeouts optimization")
				p.fail("unknown optimization %s", s)
			}
			p.echo("set optimization %s", s)
		}
	case "ruleset-optimization":
		p.take()
		s := p.words()
		if !slices.Contains([]string{"none", "basic", "profile"}, s) {
			p.fail("unknown ruleset-optimization %s", s)
		}
		if main && s == "none" {
			p.file.options.Optimize = false
		}
	case "timeout":
		p.take()
		p.pairs(p.setTimeout)
	case "limit":
		p.take()
		p.pairs(p.setLimit)
	case "loginterface":
		p.take()
		s := "all"
		if !p.got("all") {
			s = p.want(kindString).text
		}
		p.enter(sectionOptions)
		if main {
			p.echo("set loginterface %s", s)
		}
	case "hostid":
		p.take()
		p.hostID(main)
	case "block-policy":
		p.take()
		policy := "drop"
		if !p.got("drop") {
			policy = p.want("return").kind
		}
		p.echo("set block-policy %s", policy)
		p.enter(sectionOptions)
		p.returnBlock = policy == "return"
	case "require-order":
		p.take()
		s := "no"
		if !p.got("no") {
			if s = p.want(kindString).text; s != "yes" {
				p.fail("invalid value '%s', expected 'yes' or 'no'", s)
			}
		}
		p.echo("set require-order %s", s)
		p.requireOrder = s == "yes"
	case "fingerprints":
		p.take()
		s := p.want(kindString).text
		p.echo("set fingerprints \"%s\"", s)
		p.enter(sectionOptions)
	case "state-policy":
		p.take()
		policy := "if-bound"
		if !p.got("if-bound") {
			policy = p.want("floating").kind
		}
		p.echo("set state-policy %s", policy)
		p.ifBound = policy == "if-bound"
	case "debug":
		p.take()
		s := p.want(kindString).text
		p.enter(sectionOptions)
		if main {
			if !slices.Contains(debugNames, s) {
				p.warn("unknown debug level \"" + s + "\"")
				p.fail("error setting debuglevel %s", s)
			}
			p.echo("set debug %s", s)
		}
	case "skip":
		p.take()
		p.skip(main)
	default:
		p.syntaxError()
	}
}

// warn reports an error as pfctl itself does, without a line.
func (p *parser) warn(msg string) { p.report(warning, msg) }

func containsFold(names []string, s string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, s) })
}

// pairs reads NAME NUMBER once or in braces.
func (p *parser) pairs(set func(name string, n int64)) {
	list(p, func() struct{} {
		name := p.want(kindString).text
		n := p.want(kindNumber).num
		p.enter(sectionOptions)
		if n < 0 || n > math.MaxUint32 {
			p.fail("only positive values permitted")
		}
		set(name, n)
		return struct{}{}
	})
}

func (p *parser) setTimeout(name string, n int64) {
	if p.file.Anchor != "" {
		return
	}
	if !containsFold(timeoutNames[:], name) {
		p.warn("Bad timeout name.")
		p.fail("unknown timeout %s", name)
	}
	p.echo("set timeout %s %d", name, int32(n))
}

func (p *parser) setLimit(name string, n int64) {
	if !containsFold(limitNames, name) {
		p.warn("Bad pool name.")
		p.fail("unable to set limit %s %d", name, uint32(n))
	}
	p.echo("set limit %s %d", name, int32(n))
}

func (p *parser) hostID(main bool) {
	var n int64
	if p.peek() == kindNumber {
		n = p.take().num
	} else {
		s := p.want(kindString).text
		u, ok := parseUlong(s)
		if !ok {
			p.fail("%s is not a number", s)
		}
		n = int64(min(u, math.MaxInt64))
	}
	if n == 0 || n > math.MaxUint32 {
		p.fail("hostid must be non-zero")
	}
	if main {
		p.echo("set hostid 0x%08x", uint32(n))
	}
}

// skip reads set skip on INTERFACES. The line is echoed even if it is wrong.
func (p *parser) skip(main bool) {
	ifs := p.interfaces()
	if len(ifs) == 0 || len(ifs) == 1 && !ifs[0].not && ifs[0].name == "none" {
		p.echo("set skip on none")
		if main {
			p.file.Skip = nil
		}
		return
	}
	var names strings.Builder
	bad := false
	for _, i := range ifs {
		names.WriteString(" " + i.name)
		if i.not {
			p.errorf("skip on ! <interface> is not supported")
			bad = true
		} else if main {
			p.file.Skip = append(p.file.Skip, i.name)
		}
	}
	p.echo("set skip on {%s }", names.String())
	if bad {
		p.fail("error setting skip interface(s)")
	}
}

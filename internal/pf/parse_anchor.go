package pf

import (
	"strconv"
	"strings"
)

// filterAnchor reads anchor "NAME" ..., with or without a body in braces.
func (p *parser) filterAnchor() {
	p.take()
	r := Rule{Pos: p.start, Action: Pass, RTable: -1}
	var name string
	if p.peek() == kindString {
		name = p.take().text
	}
	r.Direction = p.direction()
	r.Quick = p.got("quick")
	lists := lists{ifs: p.interfaces()}
	r.Family = p.family()
	lists.protos = p.protos()
	lists.fromTo = p.fromTo()
	o := p.filterOpts()
	var body *inline
	if p.peek() == "{" {
		body = p.braceBody()
	} else {
		p.wantEnd()
	}

	p.enter(sectionFilter)
	if strings.HasPrefix(name, "_") || strings.Contains(name, "/_") {
		p.fail("anchor names beginning with '_' are reserved for internal use")
	}
	r.Call = &Call{Name: name}
	switch {
	case body != nil:
		p.nameBody(&r, body, name)
	case name == "":
		p.fail("anchors without explicit rules must specify a name")
	}
	p.matchOpts(&r, &o, &lists)
	if o.keep != NoState {
		p.fail("cannot specify state handling on anchors")
	}
	decideFamily(lists.src, &r.Family)
	decideFamily(lists.dst, &r.Family)
	p.expand(&r, &lists)
}

// nameBody settles which anchor a body is. The same name twice is an error, unless the first body was empty.
func (p *parser) nameBody(r *Rule, body *inline, name string) {
	if name == "" {
		name = body.name
	}
	path := p.anchor.name + "/" + name
	if old := p.byName[path]; old != nil && old.count > 0 {
		p.fail("inline anchor '%s' already exists", name[strings.LastIndexByte(name, '/')+1:])
	}
	p.byName[path] = body
	r.Call.Name, r.Call.Body = name, body.rules
}

// braceBody reads { newline, rules, }. The line after the brace must hold a rule: pfctl's grammar has nothing else there
// (inferred from the release that Apple's descends from).
func (p *parser) braceBody() *inline {
	if len(p.outer) >= maxNest-1 {
		p.fail("anchors are nested too deep, max %d", maxNest)
	}
	p.take()
	p.braces++
	body := &inline{name: "_" + strconv.Itoa(p.braces), rules: &Ruleset{}}
	p.want("\n")
	p.outer = append(p.outer, p.anchor)
	p.anchor = body
	for first := true; ; first = false {
		switch p.begin() {
		case "pass", "block":
			p.filterRule()
		case "anchor":
			p.filterAnchor()
		case "\n":
			if first {
				p.syntaxError()
			}
		case "}":
			if first {
				p.syntaxError()
			}
			p.take()
			p.anchor = p.outer[len(p.outer)-1]
			p.outer = p.outer[:len(p.outer)-1]
			return body
		default:
			p.syntaxError()
		}
		p.want("\n")
	}
}

// translationAnchor reads nat-anchor, rdr-anchor, binat-anchor, scrub-anchor and dummynet-anchor.
func (p *parser) translationAnchor() {
	kind := p.take().kind
	r := Rule{Pos: p.start, RTable: -1}
	section := sectionNAT
	switch kind {
	case "nat-anchor":
		r.Action = NAT
	case "rdr-anchor":
		r.Action = RDR
	case "binat-anchor":
		r.Action = Binat
	case "scrub-anchor":
		r.Action, section = Scrub, sectionScrub
	case "dummynet-anchor":
		r.Action = Dummynet
	}
	r.Call = &Call{Name: p.words()}
	lists := lists{ifs: p.interfaces()}
	r.Family = p.family()
	lists.protos = p.protos()
	lists.fromTo = p.fromTo()
	if r.Action == Scrub { // It is printed with the options of a scrub rule, and what is printed is read.
		p.scrubOpts(&r)
	} else if p.peek() == "rtable" {
		r.RTable = p.rtable()
	}
	p.wantEnd()

	if r.Action != Dummynet {
		p.enter(section)
	}
	decideFamily(lists.src, &r.Family)
	decideFamily(lists.dst, &r.Family)
	switch r.Action {
	case RDR:
		p.rdrAnchorPorts(&lists)
	case Binat:
		if len(lists.protos) > 1 {
			p.fail("proto list expansion not supported in binat-anchor")
		}
		if len(lists.protos) == 1 {
			r.Proto = lists.protos[0]
		}
		if lists.src != nil || lists.dst != nil || lists.srcPorts != nil || lists.dstPorts != nil {
			p.fail("fromto parameter not supported in binat-anchor")
		}
		p.addRule(&r)
		return
	}
	p.expand(&r, &lists)
}

func (p *parser) rdrAnchorPorts(l *lists) {
	if l.srcPorts != nil {
		p.fail("source port parameter not supported in rdr-anchor")
	}
	if len(l.dstPorts) > 1 {
		p.fail("destination port list expansion not supported in rdr-anchor")
	}
	if len(l.dstPorts) == 1 && l.dstPorts[0].Op != OpEqual {
		p.fail("destination port operators not supported in rdr-anchor")
	}
}

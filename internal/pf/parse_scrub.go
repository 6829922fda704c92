package pf

import "strings"

// scrub reads a scrub rule.
func (p *parser) scrub(no bool) {
	p.take()
	r := Rule{Pos: p.start, Action: Scrub, RTable: -1}
	if no {
		r.Action = NoScrub
	}
	r.Direction = p.direction()
	log, quick := p.logQuick()
	r.Log, r.LogIf = log.log, log.lif
	lists := lists{ifs: p.interfaces()}
	r.Family = p.family()
	lists.protos = p.protos()
	lists.fromTo = p.fromTo()
	p.scrubOpts(&r)
	p.wantEnd()

	p.enter(sectionScrub)
	if quick {
		p.fail("scrub rules do not support 'quick'")
	}
	if r.ReassembleTCP && r.Direction != InOut {
		p.fail("reassemble tcp rules can not specify direction")
	}
	r.Tagged = p.tagName(r.Tagged)
	p.expand(&r, &lists)
}

func (p *parser) scrubOpts(r *Rule) {
	var minTTL, maxMSS, fragment bool
	for {
		switch p.peek() {
		case "no-df":
			p.take()
			p.once(&r.NoDF, "no-df cannot be respecified")
		case "min-ttl":
			p.take()
			n := p.want(kindNumber).num
			p.once(&minTTL, "min-ttl cannot be respecified")
			if n < 0 || n > 255 {
				p.fail("illegal min-ttl value %d", n)
			}
			r.MinTTL = uint8(n)
		case "max-mss":
			p.take()
			n := p.want(kindNumber).num
			p.once(&maxMSS, "max-mss cannot be respecified")
			if n < 0 || n > 65535 {
				p.fail("illegal max-mss value %d", n)
			}
			r.MaxMSS = uint16(n)
		case "fragment":
			p.take()
			crop, drop := p.got("crop"), p.got("drop-ovl")
			if !crop && !drop {
				p.want("reassemble")
			}
			p.once(&fragment, "fragcache cannot be respecified")
			r.FragCrop, r.FragDrop = crop, drop
		case "reassemble":
			p.take()
			s := p.want(kindString).text
			if !strings.EqualFold(s, "tcp") {
				p.fail("scrub reassemble supports only tcp, not '%s'", s)
			}
			p.once(&r.ReassembleTCP, "reassemble tcp cannot be respecified")
		case "random-id":
			p.take()
			p.once(&r.RandomID, "random-id cannot be respecified")
		case "rtable":
			r.RTable = p.rtable()
		case "!", "tagged":
			p.tagged(r)
		default:
			return
		}
	}
}

// dummynet reads one of Apple's dummynet rules. Apple's manual says nothing of them; the form is taken from what a Mac
// printed: dummynet [in|out] [quick] [on IF] [af] [proto P] from ... to ... pipe N.
func (p *parser) dummynet(no bool) {
	p.take()
	r := Rule{Pos: p.start, Action: Dummynet, RTable: -1}
	if no {
		r.Action = NoDummynet
	}
	r.Direction = p.direction()
	r.Quick = p.got("quick")
	lists := lists{ifs: p.interfaces()}
	r.Family = p.family()
	lists.protos = p.protos()
	lists.fromTo = p.fromTo()
	if !no {
		if p.peek() != kindString || p.tok.text != "pipe" {
			p.syntaxError()
		}
		p.take()
		n := p.want(kindNumber).num
		if n < 1 || n > 65535 {
			p.fail("invalid pipe number")
		}
		r.Pipe = uint16(n)
	}
	p.wantEnd()
	decideFamily(lists.src, &r.Family)
	decideFamily(lists.dst, &r.Family)
	p.expand(&r, &lists)
}

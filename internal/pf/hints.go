package pf

import (
	"iter"
	"maps"
	"slices"
	"strings"
)

// later are words of OpenBSD's pf after the release that macOS has, with what to write instead.
var later = map[string]string{
	"match":       "macOS has no match rules; use pass or block with tag",
	"nat-to":      "macOS has nat rules of their own: nat on en0 from ... to any -> (en0)",
	"rdr-to":      "macOS has rdr rules of their own: rdr on en0 proto tcp from any to any port 80 -> 10.0.0.1",
	"divert-to":   "macOS has no divert-to",
	"received-on": "macOS has no received-on; tag the packets on their way in",
	"sloppy":      "macOS has no sloppy states; no state comes closest",
	"include":     "macOS has no include; load an anchor from the file",
	"allow":       "the word is pass",
	"permit":      "the word is pass",
	"accept":      "the word is pass",
	"deny":        "the word is block",
	"reject":      "the words are block return",
}

// statements are the words that a line may begin with.
var statements = []string{
	"anchor", "antispoof", "binat", "binat-anchor", "block", "load", "nat", "nat-anchor", "no", "pass", "rdr", "rdr-anchor",
	"scrub", "scrub-anchor", "set", "table",
}

// guess is what was probably meant by a token that is a syntax error, or "".
func (p *parser) guess(t token) string {
	switch {
	case t.kind == kindEOF && len(p.lex.src) > 0 && !strings.HasSuffix(p.lex.src, "\n"):
		return "the last line must end in a newline"
	case t.kind == "\r":
		return "lines must end in a newline alone, not in CR LF"
	case t.kind == "*":
		return "a name with /* needs quotes"
	case t.kind == kindString && later[t.text] != "":
		return later[t.text]
	case t.kind == kindString && t.off == p.startOff:
		return didYouMean(t.text, slices.Values(statements))
	case t.kind == kindString:
		return didYouMean(t.text, maps.Keys(keywords))
	}
	return ""
}

// didYouMean asks for the word that s is a slip of: one letter too many, too few, wrong, or two swapped. Of several, it is the
// one that s begins, as prot does proto, and not port.
func didYouMean(s string, words iter.Seq[string]) string {
	best := ""
	for w := range words {
		if len(s) < 3 || len(w) < 3 || !slip(s, w) {
			continue
		}
		begins, bestBegins := strings.HasPrefix(w, s), strings.HasPrefix(best, s)
		if best == "" || begins && !bestBegins || begins == bestBegins && w < best {
			best = w
		}
	}
	if best == "" {
		return ""
	}
	return "did you mean " + best + "?"
}

func slip(a, b string) bool {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	a, b = a[i:], b[i:]
	switch len(a) - len(b) {
	case 1:
		return a[1:] == b
	case -1:
		return a == b[1:]
	case 0:
		return len(a) > 0 && a[1:] == b[1:] || len(a) > 1 && a[0] == b[1] && a[1] == b[0] && a[2:] == b[2:]
	}
	return false
}

package pfctl

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Conf is the text of /etc/pf.conf, which belongs to macOS and to whoever runs the Mac. What we add stands between
// marker lines, in up to three blocks, one for each section of the file that a call can belong to; every other byte stays.
// A block's lines are sorted, so anchors are called in the order of their names, whoever was added first.
type Conf string

// The marker lines. A file whose last line lacks its newline gets one with the block, and loses it again with it.
const (
	blockBegin   = "# >>> macos-fleet/macos: calls of managed anchors; edits between these lines are lost\n"
	blockBeginNL = "# >>> macos-fleet/macos: calls of managed anchors; edits between these lines are lost (and the newline before)\n"
	blockEnd     = "# <<< macos-fleet/macos\n"
)

// section is a part of pf.conf. pfctl wants them in this order, and each kind of statement in its own.
type section int

const (
	anywhere section = iota // macros, tables, load anchor, dummynet: pfctl checks no order for these
	options
	normalization
	queueing
	translation
	filtering
)

// sections by a statement's first word. An anchor's kind of call is the word as well.
var sections = map[string]section{
	"set": options, "scrub": normalization, "scrub-anchor": normalization, "altq": queueing, "queue": queueing,
	"nat": translation, "rdr": translation, "binat": translation,
	"nat-anchor": translation, "rdr-anchor": translation, "binat-anchor": translation,
	"pass": filtering, "block": filtering, "anchor": filtering, "antispoof": filtering,
}

// statement is one logical line of pf.conf: continuation lines and braces joined.
type statement struct {
	start, end int // bytes, the newline included
	words      []string
	ours       bool // between marker lines
}

func (s statement) section() section {
	words := s.words
	if len(words) > 1 && words[0] == "no" {
		words = words[1:]
	}
	if len(words) == 0 || len(words) > 1 && words[1] == "=" {
		return anywhere
	}
	return sections[words[0]]
}

// ourLine is one of our lines.
var ourLine = regexp.MustCompile(`^((scrub-|nat-|rdr-|binat-|dummynet-)?anchor "[^"]+"|load anchor "[^"]+" from "[^"]+")\n$`)

// blocks are the lines that belong to blocks of ours, markers included, by number. A block that lost its end marker, or in which
// somebody wrote something else, is not ours any more: it is left as it stands.
func blocks(lines []string) map[int]bool {
	ours := map[int]bool{}
	for i := range lines {
		if lines[i] != blockBegin && lines[i] != blockBeginNL {
			continue
		}
		end := i + 1
		for end < len(lines) && ourLine.MatchString(lines[end]) {
			end++
		}
		if end < len(lines) && lines[end] == blockEnd {
			for n := i; n <= end; n++ {
				ours[n] = true
			}
		}
	}
	return ours
}

// statements are the file's, in order.
type statements []statement

// statements splits the file. It reads no more of the language than where a statement begins, ends and belongs: comments,
// quotes, continuation lines, and braces, which may span lines in an inline anchor.
func (c Conf) statements() statements {
	var all statements
	depth, pos := 0, 0
	open := false // the last statement goes on
	split := strings.SplitAfter(string(c), "\n")
	ours := blocks(split)
	for n, line := range split {
		start := pos
		pos += len(line)
		text := strings.TrimRight(line, "\r\n")
		goesOn := strings.HasSuffix(text, `\`)
		words := wordsOf(strings.TrimSuffix(text, `\`))
		switch {
		case open:
			last := &all[len(all)-1]
			last.end, last.words = pos, append(last.words, words...)
		case len(words) > 0 || goesOn:
			all = append(all, statement{start: start, end: pos, words: words, ours: ours[n]})
		}
		for _, w := range words {
			switch w {
			case "{":
				depth++
			case "}":
				depth = max(depth-1, 0)
			}
		}
		open = (goesOn || depth > 0) && len(all) > 0
	}
	return all
}

// What ends a bare word. Each of marks is a word of its own.
const (
	marks  = "={}(),<>!"
	blanks = " \t\n\f\r"
)

// wordsOf are the words of a line up to its comment, strings without their quotes. It is called for each line again and again, and
// so it is no regular expression.
func wordsOf(line string) []string {
	var words []string
	for len(line) > 0 {
		n := 1
		switch c := line[0]; {
		case c == '#':
			return words
		case strings.IndexByte(blanks, c) >= 0:
		case strings.IndexByte(marks, c) >= 0:
			words = append(words, line[:1])
		case c == '"':
			if end := strings.IndexByte(line[1:], '"'); end >= 0 {
				n = end + 2
				words = append(words, line[1:end+1])
			}
		default:
			for n < len(line) && strings.IndexByte(blanks+marks+"\"#", line[n]) < 0 {
				n++
			}
			words = append(words, line[:n])
		}
		line = line[n:]
	}
	return words
}

// calls reports whether there is a call of this kind ("anchor", "rdr-anchor" ...) that reaches the anchor: by its
// name, or by NAME/* of its parent. Conditions on the call, as in `anchor "x" on en0`, are its author's business.
func (all statements) calls(kind, name string) bool {
	return slices.ContainsFunc(all, func(s statement) bool {
		return len(s.words) > 1 && s.words[0] == kind && reaches(s.words[1], name)
	})
}

// kinds are the kinds of call by which pf.conf reaches the anchor.
func (c Conf) kinds(name string) []string {
	var kinds []string
	for _, s := range c.statements() {
		if len(s.words) > 1 && strings.HasSuffix(s.words[0], "anchor") && reaches(s.words[1], name) {
			kinds = append(kinds, s.words[0])
		}
	}
	return kinds
}

// hasCall reports whether there is a call of this kind with just this target, as `com.apple/*` is one.
func (all statements) hasCall(kind, target string) bool {
	return slices.ContainsFunc(all, func(s statement) bool {
		return len(s.words) > 1 && s.words[0] == kind && s.words[1] == target
	})
}

// reaches reports whether a call of target, as seen from the main ruleset, evaluates the anchor: `PARENT/*` evaluates
// PARENT's children, not PARENT itself and not its grandchildren.
func reaches(target, name string) bool {
	target = strings.TrimPrefix(target, "/")
	parent, wildcard := strings.CutSuffix(target, "*")
	if !wildcard {
		return target == name
	}
	child, ok := strings.CutPrefix(name, parent)
	return ok && child != "" && !strings.Contains(child, "/")
}

// loads reports whether a line loads file into the anchor, and whether one that does is not ours.
func (all statements) loads(name, file string) (yes, foreign bool) {
	for _, s := range all {
		if len(s.words) > 4 && s.words[0] == "load" && s.words[1] == "anchor" && s.words[4] == file &&
			strings.TrimPrefix(s.words[2], "/") == name {
			yes, foreign = true, foreign || !s.ours
		}
	}
	return yes, foreign
}

// lines are ours about the anchor, as they have to be beside these statements of others.
func (all statements) lines(name, file string, kinds []string) []string {
	var lines []string
	for _, kind := range kinds {
		if !all.calls(kind, name) {
			lines = append(lines, fmt.Sprintf("%s %q\n", kind, name))
		}
	}
	if yes, _ := all.loads(name, file); file != "" && !yes {
		lines = append(lines, fmt.Sprintf("load anchor %q from %q\n", name, file))
	}
	return lines
}

// With returns pf.conf with the calls of these kinds, and the line that loads file unless that is empty. A call that
// stands there already, whoever wrote it, is not written again; one of ours that is not asked for is taken out.
func (c Conf) With(name, file string, kinds []string) Conf {
	bare := c.Without(name)
	return bare.withOurs(append(bare.ours(), bare.statements().lines(name, file, kinds)...))
}

// Without returns pf.conf without our lines about the anchor, and without a block that has none left.
func (c Conf) Without(name string) Conf {
	return c.withOurs(slices.DeleteFunc(c.ours(), func(line string) bool { return anchorOf(line) == name }))
}

// ours are the lines between our markers.
func (c Conf) ours() []string {
	var lines []string
	for _, s := range c.statements() {
		if s.ours {
			lines = append(lines, string(c[s.start:s.end]))
		}
	}
	return lines
}

// anchorOf is the anchor that one of our lines is about: KIND "NAME" or load anchor "NAME" from "FILE".
func anchorOf(line string) string {
	words := wordsOf(line)
	switch {
	case len(words) > 2 && words[0] == "load":
		return words[2]
	case len(words) > 1:
		return words[1]
	}
	return ""
}

// withOurs returns pf.conf with these lines as ours, each section's in its block: after the last statement of that section
// or an earlier one, or at the end for filtering, where the rules that come last have the last word.
func (c Conf) withOurs(lines []string) Conf {
	bare := c.bare()
	text := string(bare)
	for _, at := range []section{filtering, translation, normalization} { // from the end, so that positions stay right
		var block []string
		for _, line := range lines {
			s := statement{words: wordsOf(line)}
			if got := s.section(); got == at || got == anywhere && at == filtering {
				block = append(block, line)
			}
		}
		if len(block) == 0 {
			continue
		}
		slices.SortStableFunc(block, func(a, b string) int { return strings.Compare(anchorOf(a), anchorOf(b)) })
		pos := bare.endOf(at)
		begin := blockBegin
		if pos > 0 && text[pos-1] != '\n' {
			begin = "\n" + blockBeginNL
		}
		text = text[:pos] + begin + strings.Join(block, "") + blockEnd + text[pos:]
	}
	return Conf(text)
}

// bare is pf.conf without our blocks.
func (c Conf) bare() Conf {
	var b strings.Builder
	split := strings.SplitAfter(string(c), "\n")
	ours := blocks(split)
	for n, line := range split {
		switch {
		case !ours[n]:
			b.WriteString(line)
		case line == blockBeginNL:
			text := strings.TrimSuffix(b.String(), "\n")
			b.Reset()
			b.WriteString(text)
		}
	}
	return Conf(b.String())
}

// withoutLoads is pf.conf without our lines that load an anchor from its file: what to load when the anchors are loaded already,
// which such a line would load anew, and through the optimizer.
func (c Conf) withoutLoads() Conf {
	return c.withOurs(slices.DeleteFunc(c.ours(), func(line string) bool { return strings.HasPrefix(line, "load ") }))
}

// endOf is the position where a block of this section belongs in a file without blocks.
func (c Conf) endOf(at section) int {
	if at == filtering {
		return len(c)
	}
	end := 0
	for _, s := range c.statements() {
		if got := s.section(); got > at {
			break
		} else if got != anywhere {
			end = s.end
		}
	}
	return end
}

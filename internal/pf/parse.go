package pf

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Options say how a rule text is read. The zero Options read the main ruleset on the zero Host.
type Options struct {
	// Host is what the text is read for; nil is the zero Host.
	Host *Host

	// Anchor is the anchor that the text is for, as in pfctl -a; "" is the main ruleset. In an anchor "set" lines and
	// "load anchor" lines are read and do nothing.
	Anchor string

	// All reports every error. pfctl keeps quiet about a syntax error that follows another within three tokens, and does not
	// see what stands in the line after an undefined macro.
	All bool

	// Optimize runs pfctl's optimizer, as pfctl does without "-o none". "set ruleset-optimization" in the main text
	// has its say only then.
	Optimize bool

	// TableName names the tables that the optimizer makes; nil numbers them, as pfctl -n does.
	TableName func() string

	// Macros are defined before the text begins and cannot be redefined in it, as with pfctl -D.
	Macros map[string]string
}

// A File is a rule text as it was read.
type File struct {
	Name    string
	Anchor  string
	Echo    []string // What pfctl -v prints while it reads: macros, settings, tables.
	Rules   *Ruleset
	Tables  []Table
	Loads   []Load
	Skip    []string // Interfaces of "set skip". Nil is none.
	options Options
}

// A Load is a "load anchor" line. It does nothing in an anchor.
type Load struct {
	Pos          Pos
	Anchor, Path string
}

// Limits that pfctl does not have, so that no text can take the machine down.
const (
	maxRules  = 1 << 16 // Rules one text expands to.
	maxErrors = 1 << 13
	maxNest   = 64 // Anchors in anchors, and lists in lists; pfctl has the former limit.
)

// Sections of a rule text, in the order that they must come in.
const (
	sectionOptions = iota + 1
	sectionScrub
	sectionQueue
	sectionNAT
	sectionFilter
)

// Parse reads a rule text. The file is not nil even if there are errors, but then it is incomplete; the error is nil or
// Errors. Reading goes on after an error, in the next line.
//
// It takes time and memory linear in the text and in the rules that the text expands to.
func Parse(name string, src []byte, o Options) (*File, error) {
	if name == "-" {
		name = "stdin"
	}
	if o.Host == nil {
		o.Host = &Host{}
	}
	p := &parser{
		host:         o.Host,
		file:         &File{Name: name, Anchor: o.Anchor, Rules: &Ruleset{}, options: o},
		requireOrder: true,
		fixed:        o.Macros,
		byName:       make(map[string]*inline),
		strings:      make(map[string]string),
	}
	p.lex = &lexer{
		src: string(src), line: 1, at: 1, macros: make(map[string]string), keepNewlines: o.All,
		errorf: func(format string, args ...any) {
			p.mark = p.lex.tokOff
			p.errorf(format, args...)
		},
		fatal: p.fatal,
	}
	for k, v := range o.Macros {
		p.lex.macros[k] = v
	}
	p.anchor = &inline{rules: p.file.Rules}
	p.run()
	if len(p.errs) > 0 {
		return p.file, p.errs
	}
	if p.file.options.Optimize {
		(&optimizer{file: p.file, names: o.TableName}).optimize(p.file.Rules)
	}
	return p.file, nil
}

// An inline is the anchor whose rules are being read: the text's own or one in braces.
type inline struct {
	name  string // _1, _2 and so on for one in braces; "" for the text's own.
	rules *Ruleset
	count int // Rules so far, for $nr in labels.
}

// A parser reads one text. It follows pfctl's grammar token by token and looks ahead no further than pfctl does, so that
// the same errors come out with the same line numbers. An error in a rule abandons the rule.
type parser struct {
	lex   *lexer
	host  *Host
	file  *File
	errs  Errors
	fixed map[string]string

	tok      token // The next token,
	peeked   bool  // if it was read already.
	start    Pos   // Where the statement begins,
	startOff int   // and its offset.
	mark     int   // Offset of the token that an error is about: the last one taken.
	quiet    int   // Tokens to be taken before another syntax error is worth a message.

	section      int
	requireOrder bool
	returnBlock  bool // set block-policy return
	ifBound      bool // set state-policy if-bound

	anchor *inline   // Where rules go.
	outer  []*inline // The anchors around it.
	braces int       // Inline anchors seen.
	byName map[string]*inline
	rules  int // All rules made.

	strings map[string]string // One copy of each string of the text that rules hold.
}

// abandon is thrown to give up the current line after its error was reported; stop gives up the whole text.
type (
	abandon struct{}
	stop    struct{}
)

// peek is the kind of the next token.
func (p *parser) peek() string {
	if !p.peeked {
		p.tok, p.peeked = p.lex.next(), true
	}
	return p.tok.kind
}

// take consumes the next token.
func (p *parser) take() token {
	p.peek()
	p.peeked = false
	p.mark = p.tok.off
	if p.quiet > 0 {
		p.quiet--
	}
	return p.tok
}

// got consumes the next token if its kind is one of kinds.
func (p *parser) got(kinds ...string) bool {
	if slices.Contains(kinds, p.peek()) {
		p.take()
		return true
	}
	return false
}

// want consumes the next token, which must be of that kind.
func (p *parser) want(kind string) token {
	if p.peek() != kind {
		p.syntaxError()
	}
	return p.take()
}

// wantEnd checks that the line ends here. What a rule means is worked out after that.
func (p *parser) wantEnd() {
	if p.peek() != "\n" {
		p.syntaxError()
	}
	p.mark = p.startOff // What is wrong from here on is wrong with all of it.
}

// pos is the place of a token: the line as pfctl counts, which is that of the last token it has read, and the column.
func (p *parser) pos(off int) Pos {
	return Pos{int32(p.lex.at), int32(off - strings.LastIndexByte(p.lex.src[:off], '\n'))}
}

func (p *parser) report(s style, msg string) {
	p.errs = append(p.errs, Error{File: p.file.Name, Pos: p.pos(p.mark), Msg: msg, style: s})
	if len(p.errs) == maxErrors {
		p.fatal("too many errors")
	}
}

// errorf reports an error; reading goes on.
func (p *parser) errorf(format string, args ...any) {
	p.report(located, fmt.Sprintf(format, args...))
}

// onMac marks the last error as one that another host may not have.
func (p *parser) onMac() { p.errs[len(p.errs)-1].OnMac = true }

// hint adds to the last error what was probably meant.
func (p *parser) hint(format string, args ...any) {
	p.errs[len(p.errs)-1].Hint = fmt.Sprintf(format, args...)
}

// fail reports an error and gives up the line.
func (p *parser) fail(format string, args ...any) {
	p.errorf(format, args...)
	panic(abandon{})
}

// fatal reports an error and gives up the text.
func (p *parser) fatal(msg string) {
	p.errs = append(p.errs, Error{File: p.file.Name, Pos: p.pos(p.mark), Msg: msg})
	panic(stop{})
}

// die reports an error on which pfctl exits at once.
func (p *parser) die(msg string) {
	p.report(warning, msg)
	panic(stop{})
}

// syntaxError reports the next token and gives up the line. A syntax error within three tokens of another error goes
// without a message, as yacc has it.
func (p *parser) syntaxError() {
	p.peek()
	p.badToken(p.tok)
}

// badToken is syntaxError, with a guess about an earlier token.
func (p *parser) badToken(t token) {
	p.mark = t.off
	if p.quiet == 0 || p.file.options.All {
		p.errorf("syntax error")
		if h := p.guess(t); h != "" {
			p.hint("%s", h)
		}
	}
	panic(abandon{})
}

// run reads the text line by line.
func (p *parser) run() {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(stop); !ok {
				panic(r)
			}
		}
	}()
	for p.peek() != kindEOF {
		if !p.line() && !p.recover() {
			return
		}
	}
}

// line reads one statement and the newline after it. It returns false after an error.
func (p *parser) line() (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, is := r.(abandon); !is {
				panic(r)
			}
			ok = false
		}
	}()
	p.statement()
	p.want("\n")
	return true
}

// recover skips to the next newline token. That is the end of the line, or the end of the next one after an error in
// the lexer, which has eaten the newline. It returns false at the end of the text.
func (p *parser) recover() bool {
	p.quiet = 3
	p.outer, p.anchor = nil, p.rootAnchor()
	for {
		switch p.peek() {
		case "\n":
			p.take()
			return true
		case kindEOF:
			return false
		}
		p.peeked = false
	}
}

func (p *parser) rootAnchor() *inline {
	if len(p.outer) > 0 {
		return p.outer[0]
	}
	return p.anchor
}

// begin is the kind of the first token of a statement.
func (p *parser) begin() string {
	kind := p.peek()
	p.start, p.startOff = p.pos(p.tok.off), p.tok.off
	return kind
}

func (p *parser) statement() {
	switch p.begin() {
	case "\n":
	case "set":
		p.set()
	case kindString:
		p.macroDef()
	case "table":
		p.table()
	case "no", "scrub", "nat", "rdr", "binat", "dummynet":
		p.translation()
	case "scrub-anchor", "nat-anchor", "rdr-anchor", "binat-anchor", "dummynet-anchor":
		p.translationAnchor()
	case "pass", "block":
		p.filterRule()
	case "anchor":
		p.filterAnchor()
	case "antispoof":
		p.antispoof()
	case "load":
		p.load()
	case "altq", "queue":
		p.fail("queueing is not available on macOS")
	default:
		p.syntaxError()
	}
}

// translation reads the rules that may begin with "no".
func (p *parser) translation() {
	no := p.got("no")
	switch p.peek() {
	case "scrub":
		p.scrub(no)
	case "nat", "rdr":
		p.nat(no)
	case "binat":
		p.binat(no)
	case "dummynet":
		p.dummynet(no)
	default:
		p.syntaxError()
	}
}

// enter checks that the text is not past a section.
func (p *parser) enter(section int) {
	if p.requireOrder && p.section > section {
		p.fail("Rules must be in order: options, normalization, queueing, translation, filtering")
	}
	p.section = section
}

// echo adds to what -v prints.
func (p *parser) echo(format string, args ...any) {
	p.file.Echo = append(p.file.Echo, fmt.Sprintf(format, args...))
}

// macroDef reads NAME = VALUE. The value is one number, or words, which are joined by blanks.
func (p *parser) macroDef() {
	first := p.take()
	if p.peek() != "=" { // Then it was to be another statement.
		p.badToken(first)
	}
	p.take()
	name := first.text
	var value string
	if p.peek() == kindNumber {
		value = strconv.FormatInt(p.take().num, 10) // 007 is 7.
		p.wantEnd()
	} else {
		value = p.words()
	}
	p.echo("%s = \"%s\"", name, value)
	if _, ok := p.fixed[name]; !ok {
		p.lex.macros[name] = value
	}
}

// words reads one or more STRINGs and joins them with blanks.
func (p *parser) words() string {
	words := []string{p.want(kindString).text}
	for p.peek() == kindString {
		words = append(words, p.take().text)
	}
	return strings.Join(words, " ")
}

// load reads load anchor NAME from PATH.
func (p *parser) load() {
	pos := p.start
	p.take()
	p.want("anchor")
	name := p.words()
	p.want("from")
	path := p.words()
	p.wantEnd()
	p.file.Loads = append(p.file.Loads, Load{pos, name, path})
}

// list reads one item, or items in braces with optional commas between them. A comma needs an item after it, and lines
// do not end inside braces.
func list[T any](p *parser, item func() T) []T {
	if !p.got("{") {
		return []T{item()}
	}
	items := []T{item()}
	for !p.got("}") {
		p.got(",")
		items = append(items, item())
	}
	return items
}

// intern returns one copy of s, so that rules do not keep the source alive word by word.
func (p *parser) intern(s string) string {
	if t, ok := p.strings[s]; ok {
		return t
	}
	p.strings[s] = s
	return s
}

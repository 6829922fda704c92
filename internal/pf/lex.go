package pf

import (
	"slices"
	"strconv"
)

// Kinds of tokens that are not a keyword and not a single character. A keyword's kind is the keyword, a character's
// kind is that character, and the end of the text is "".
const (
	kindString = "STRING"
	kindNumber = "NUMBER"
	kindRange  = "><" // The two-sided operators >< and <>; text tells which.
	kindArrow  = "->"
	kindError  = "ERROR" // A lexical error that was reported; the rest of its line is gone.
	kindEOF    = ""
)

// A token is one word of a rule text.
type token struct {
	kind string
	text string // What a STRING or range operator says.
	num  int64  // What a NUMBER says.
	off  int    // Where it begins in the source; for a word out of a macro, where the macro is used.
}

const (
	maxToken     = 8096    // pfctl's token buffer.
	maxExpansion = 8 << 20 // Bytes of macro text one file may expand to. pfctl has no such limit.
)

const eof = -1

// A char is one byte of input and where it came from.
type char struct {
	c     int
	off   int
	macro bool // It came out of a macro, so a $ is only a $.
}

// A lexer turns a rule text into tokens as pfctl's does. Its oddities are meant: a macro's text is read as if it stood
// in its place, so a word can begin in a macro and end after it ($ext:network); a backslash before anything but a
// newline disappears; a bad line takes the next one with it (see parser.recover).
type lexer struct {
	src    string
	off    int
	line   int // Lines begun so far.
	at     int // Line of the last token, the one that messages name.
	tokOff int // Offset of the last token.

	macros   map[string]string
	text     string // Rest of the macro being read.
	textOff  int
	pushed   []char // Read again before the macro's rest.
	under    []char // Read again after it.
	expanded int

	keepNewlines bool // Of lines with a lexical error; pfctl drops them.

	errorf func(format string, args ...any)
	fatal  func(msg string)
}

func (l *lexer) read() char {
	if c, ok := l.pending(); ok {
		return c
	}
	for {
		c := l.byte()
		if c.c != '\\' {
			return c
		}
		next := l.byte()
		if next.c != '\n' {
			return next
		}
		l.at = l.line
		l.line++
	}
}

// readQuoted reads inside quotes, where a backslash is nothing special yet.
func (l *lexer) readQuoted() char {
	if c, ok := l.pending(); ok {
		return c
	}
	c := l.byte()
	if c.c == eof {
		l.errorf("reached end of file while parsing quoted string")
	}
	return c
}

func (l *lexer) pending() (char, bool) {
	if n := len(l.pushed); n > 0 {
		c := l.pushed[n-1]
		l.pushed = l.pushed[:n-1]
		return c, true
	}
	if l.text != "" {
		c := char{int(l.text[0]), l.textOff, true}
		l.text = l.text[1:]
		if l.expanded++; l.expanded > maxExpansion {
			l.fatal("macros expand to too much text")
		}
		return c, true
	}
	if n := len(l.under); n > 0 {
		c := l.under[n-1]
		l.under = l.under[:n-1]
		return c, true
	}
	return char{}, false
}

func (l *lexer) byte() char {
	if l.off >= len(l.src) {
		return char{eof, len(l.src), false}
	}
	c := char{int(l.src[l.off]), l.off, false}
	l.off++
	return c
}

func (l *lexer) unread(c char) {
	if c.c != eof {
		l.pushed = append(l.pushed, c)
	}
}

// expand makes the value of a macro the next input.
func (l *lexer) expand(value string, off int) {
	l.under = append(l.under, l.pushed...)
	l.pushed = l.pushed[:0]
	l.text, l.textOff = value, off
}

// skipLine drops the rest of the line, its newline included, after an error in it was reported. A newline that was looked
// at already is forgotten, and the next line dropped instead.
func (l *lexer) skipLine() token {
	l.text = ""
	if l.keepNewlines {
		for {
			if c := l.read(); c.c == '\n' || c.c == eof {
				l.unread(c)
				return token{kind: kindError, off: l.tokOff}
			}
		}
	}
	l.pushed, l.under = l.pushed[:0], l.under[:0]
	for {
		switch l.read().c {
		case '\n':
			l.line++
			return token{kind: kindError, off: l.tokOff}
		case eof:
			return token{kind: kindError, off: l.tokOff}
		}
	}
}

func (l *lexer) next() token {
	for {
		c := l.read()
		for c.c == ' ' || c.c == '\t' {
			c = l.read()
		}
		l.at, l.tokOff = l.line, c.off
		if c.c == '#' {
			for c.c != '\n' && c.c != eof {
				c = l.read()
			}
		}
		if c.c == '$' && !c.macro {
			if t, ok := l.macro(c.off); ok {
				return t
			}
			continue
		}
		return l.word(c)
	}
}

// macro reads the name after a $ and begins its value. It returns a token only when that fails.
func (l *lexer) macro(off int) (token, bool) {
	var name []byte
	for {
		c := l.read()
		if c.c == eof {
			return token{kind: kindEOF, off: off}, true
		}
		if !isAlnum(c.c) && c.c != '_' {
			l.unread(c)
			break
		}
		if name = append(name, byte(c.c)); len(name) >= maxToken {
			l.errorf("string too long")
			return l.skipLine(), true
		}
	}
	value, ok := l.macros[string(name)]
	if !ok {
		l.errorf("macro '%s' not defined", name)
		return l.skipLine(), true
	}
	l.expand(value, off)
	return token{}, false
}

// word reads the token that begins with c.
func (l *lexer) word(c char) token {
	tok := token{off: c.off}
	switch c.c {
	case eof:
		return tok
	case '\n':
		l.at = l.line
		l.line++
		tok.kind = "\n"
		return tok
	case '\'', '"':
		return l.quoted(c)
	case '<', '>', '-':
		next := l.read()
		two := string([]byte{byte(c.c), byte(max(next.c, 0))})
		switch two {
		case "<>", "><":
			tok.kind, tok.text = kindRange, two
			return tok
		case "->":
			tok.kind = kindArrow
			return tok
		}
		l.unread(next)
	}
	if c.c == '-' || isDigit(c.c) {
		if tok, ok := l.number(c); ok {
			return tok
		}
		if c.c == '-' {
			tok.kind = "-"
			return tok
		}
	}
	if !isAlnum(c.c) && c.c != ':' && c.c != '_' {
		tok.kind = string([]byte{byte(c.c)})
		return tok
	}
	var buf []byte
	for {
		if buf = append(buf, byte(c.c)); len(buf) >= maxToken {
			l.errorf("string too long")
			return l.skipLine()
		}
		if c = l.read(); c.c == eof || !inString(c.c) {
			l.unread(c)
			break
		}
	}
	tok.kind, tok.text = kindString, string(buf)
	if keywords[tok.text] {
		tok.kind = tok.text
	}
	return tok
}

// number reads a number that begins with c. Digits that run on into a word, as in 10.0.0.1, are put back.
func (l *lexer) number(c char) (token, bool) {
	first := c
	var read []char
	buf := []byte{byte(c.c)}
	for {
		if c = l.read(); c.c == eof || !isDigit(c.c) {
			break
		}
		read = append(read, c)
		if buf = append(buf, byte(c.c)); len(buf) >= maxToken {
			l.errorf("string too long")
			return l.skipLine(), true
		}
	}
	l.unread(c)
	if string(buf) == "-" || c.c != eof && !endsNumber(c.c) {
		for _, c := range slices.Backward(read) {
			l.unread(c)
		}
		return token{}, false
	}
	n, err := strconv.ParseInt(string(buf), 10, 64)
	if err != nil {
		size := "large"
		if buf[0] == '-' {
			size = "small"
		}
		l.errorf("\"%s\" invalid number: too %s", buf, size)
		return l.skipLine(), true
	}
	return token{kind: kindNumber, text: string(buf), num: n, off: first.off}, true
}

// quoted reads a quoted string; c is the quote. A newline inside is dropped.
func (l *lexer) quoted(quote char) token {
	var buf []byte
	for {
		c := l.readQuoted()
		switch c.c {
		case eof:
			return token{kind: kindEOF, off: quote.off}
		case quote.c:
			return token{kind: kindString, text: string(buf), off: quote.off}
		case '\n':
			l.line++
			continue
		case '\\':
			next := l.readQuoted()
			switch next.c {
			case eof:
				return token{kind: kindEOF, off: quote.off}
			case '\n':
				continue
			case quote.c:
				c = next
			default:
				l.unread(next)
			}
		}
		if buf = append(buf, byte(c.c)); len(buf) >= maxToken-1 {
			l.errorf("string too long")
			return l.skipLine()
		}
	}
}

func isDigit(c int) bool { return '0' <= c && c <= '9' }

func isAlpha(c int) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func isAlnum(c int) bool { return isAlpha(c) || isDigit(c) }

func endsNumber(c int) bool {
	switch c {
	case ' ', '\t', '\n', '\v', '\f', '\r', ')', ',', '/', '}', '=':
		return true
	}
	return false
}

// inString says whether c can stand inside an unquoted word: letters, digits and all ASCII punctuation but the
// characters that the grammar uses.
func inString(c int) bool {
	switch c {
	case '(', ')', '{', '}', '<', '>', '!', '=', '/', '#', ',':
		return false
	}
	return '!' <= c && c <= '~'
}

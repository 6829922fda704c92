// Command picture draws what a terminal shows as an SVG: text and colors from stdin, the picture to stdout. It shows the lines after
// the first that has -from, up to that which has -to, without those that match -omit. `make picture` draws the README's, from the demo.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"regexp"
	"strings"
)

func main() {
	log.SetFlags(0)
	from := flag.String("from", "", "begin after the first line with this text")
	to := flag.String("to", "", "end before the next line with this text")
	omit := flag.String("omit", "^$never", "leave out lines that match this")
	title := flag.String("title", "a terminal", "what the picture shows, for those who cannot see it")
	flag.Parse()
	if err := run(os.Stdin, os.Stdout, *title, *from, *to, *omit); err != nil {
		log.Fatalf("picture: %v", err)
	}
}

func run(in io.Reader, out io.Writer, title, from, to, omit string) error {
	without, err := regexp.Compile(omit)
	if err != nil {
		return err
	}
	lines, err := read(in)
	if err != nil {
		return err
	}
	if lines = cut(lines, from, to, without); len(lines) == 0 {
		return errors.New("nothing is left to show: are -from and -to what the terminal showed?")
	}
	_, err = io.WriteString(out, draw(title, lines))
	return err
}

// run of characters that look alike.
type span struct {
	column int
	text   string
	style  style
}

type style struct {
	color           string // a class of the picture's; "" is the usual one
	bold, underline bool
}

type line []span

func (l line) text() string {
	var b strings.Builder
	for _, s := range l {
		b.WriteString(s.text)
	}
	return b.String()
}

// classes are the colors that there are, by what follows 3 or 9 in their code.
var classes = map[string]string{
	"30": "gray", "31": "red", "32": "green", "33": "yellow", "34": "blue", "35": "magenta", "36": "cyan", "90": "gray",
}

var code = regexp.MustCompile("\x1b\\[([0-9;]*)m")

// read reads lines with SGR codes. A style goes on over the ends of lines, as it does in a terminal.
func read(in io.Reader) ([]line, error) {
	var lines []line
	var now style
	scanner := bufio.NewScanner(in)
	for scanner.Scan() {
		rest, column := scanner.Text(), 0
		var l line
		add := func(text string) {
			var b strings.Builder
			at := column
			for _, r := range text {
				if r != '\t' {
					b.WriteRune(r)
					column++
					continue
				}
				n := 8 - column%8
				b.WriteString(strings.Repeat(" ", n))
				column += n
			}
			if b.Len() > 0 {
				l = append(l, span{at, b.String(), now})
			}
		}
		for {
			m := code.FindStringSubmatchIndex(rest)
			if m == nil {
				add(rest)
				break
			}
			add(rest[:m[0]])
			for n := range strings.SplitSeq(rest[m[2]:m[3]], ";") {
				now = now.after(n)
			}
			rest = rest[m[1]:]
		}
		lines = append(lines, l)
	}
	return lines, scanner.Err()
}

// after is the style after a code.
func (s style) after(code string) style {
	switch code {
	case "", "0":
		return style{}
	case "1":
		s.bold = true
	case "4":
		s.underline = true
	case "22":
		s.bold = false
	case "24":
		s.underline = false
	case "39":
		s.color = ""
	default:
		if class, ok := classes[code]; ok {
			s.color = class
		}
	}
	return s
}

// cut is the part to show, without empty lines at its ends, and with no two in a row.
func cut(lines []line, from, to string, omit *regexp.Regexp) []line {
	var kept []line
	begun := from == ""
	for _, l := range lines {
		text := l.text()
		switch {
		case !begun:
			begun = strings.Contains(text, from)
			continue
		case to != "" && strings.Contains(text, to):
			return trim(kept)
		case omit.MatchString(text):
			continue
		case strings.TrimSpace(text) == "" && (len(kept) == 0 || strings.TrimSpace(kept[len(kept)-1].text()) == ""):
			continue
		}
		kept = append(kept, l)
	}
	if !begun {
		return nil
	}
	return trim(kept)
}

func trim(lines []line) []line {
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1].text()) == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// The measures of the picture: a character's, that of the frame, and the height of what is above the text.
const (
	wide, high = 8.4, 20
	frame, top = 20, 44
)

const head = `<svg xmlns="http://www.w3.org/2000/svg" width="%[1]d" height="%[2]d" viewBox="0 0 %[1]d %[2]d" role="img" aria-label="%[3]s">
<title>%[3]s</title>
<style>
text { font: 14px ui-monospace, SFMono-Regular, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #d5dde5; }
.b { font-weight: 600; fill: #ffffff; } .u { text-decoration: underline; }
.red { fill: #ff7b72; } .green { fill: #6fdd8b; } .yellow { fill: #e9bd5b; } .blue { fill: #79b8ff; } .magenta { fill: #d2a8ff; }
.cyan { fill: #76d6e8; } .gray { fill: #8593a1; }
</style>
<rect width="100%%" height="100%%" rx="10" fill="#12171f"/>
<circle cx="22" cy="20" r="6" fill="#ff5f57"/><circle cx="42" cy="20" r="6" fill="#febc2e"/><circle cx="62" cy="20" r="6" fill="#28c840"/>
`

// draw makes the picture. Every run of characters is put and stretched to where it stands in a terminal, whatever font there is.
func draw(title string, lines []line) string {
	columns := 0
	var b strings.Builder
	for i, l := range lines {
		for _, s := range l {
			text := strings.TrimRight(s.text, " ")
			begin := s.column + len(text) - len(strings.TrimLeft(text, " "))
			text = strings.TrimLeft(text, " ")
			if text == "" {
				continue
			}
			n := len([]rune(text))
			columns = max(columns, begin+n)
			fmt.Fprintf(&b, `<text x="%.1f" y="%d" textLength="%.1f"%s>%s</text>`+"\n", frame+float64(begin)*wide, top+i*high+14, float64(n)*wide,
				s.style.attribute(), escape.Replace(text))
		}
	}
	return fmt.Sprintf(head, 2*frame+int(float64(columns)*wide), top+len(lines)*high+frame, escape.Replace(title)) + b.String() + "</svg>\n"
}

func (s style) attribute() string {
	var names []string
	if s.bold {
		names = append(names, "b")
	}
	if s.underline {
		names = append(names, "u")
	}
	if s.color != "" {
		names = append(names, s.color)
	}
	if names == nil {
		return ""
	}
	return fmt.Sprintf(` class="%s"`, strings.Join(names, " "))
}

// escape makes a text one of XML's. Spaces are such that none is taken for the end of a word, where several follow each other.
var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "  ", "\u00a0\u00a0")

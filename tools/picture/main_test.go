package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestPicture(t *testing.T) {
	in := "before\n" +
		"\x1b[1m1. Begin\x1b[0m\n\n" +
		"\x1b[36m$ plan\x1b[0m\n" +
		"noise\n" +
		"  \x1b[32m+\x1b[0m\x1b[0m a <b> & \"c\"\n\n\n" +
		"-\tx\n\n" +
		"2. End\nafter\n"
	var out strings.Builder
	if err := run(strings.NewReader(in), &out, "a & b", "1. Begin", "2. End", "^noise"); err != nil {
		t.Fatal(err)
	}
	picture := out.String()
	texts := parse(t, strings.ReplaceAll(picture, "\u00a0", " "))
	if got, want := strings.Join(texts, "|"), "$ plan|+|a <b> & \"c\"|-       x"; got != want {
		t.Errorf("it shows %q, which should be %q", got, want)
	}
	for _, want := range []string{
		`<text x="20.0" y="58" textLength="50.4" class="cyan">$ plan</text>`,
		`<text x="36.8" y="78" textLength="8.4" class="green">+</text>`, // the omitted line has no place
		`<text x="20.0" y="118" textLength="75.6">-       x</text>`,     // one empty line, and a tab
	} {
		if !strings.Contains(strings.ReplaceAll(picture, "\u00a0", " "), want) {
			t.Errorf("there is no %s in\n%s", want, picture)
		}
	}
	for _, not := range []string{"before", "Begin", "End", "after", "\x1b"} {
		if strings.Contains(picture, not) {
			t.Errorf("%q is in the picture", not)
		}
	}
	if err := run(strings.NewReader(in), io.Discard, "", "no such line", "", "^noise"); err == nil {
		t.Error("a picture of nothing is drawn")
	}
}

// parse is what the text elements hold, in order.
func parse(t *testing.T, picture string) []string {
	t.Helper()
	var texts []string
	in := false
	for d := xml.NewDecoder(strings.NewReader(picture)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return texts
		}
		if err != nil {
			t.Fatalf("this is not XML: %v\n%s", err, picture)
		}
		switch token := token.(type) {
		case xml.StartElement:
			in = token.Name.Local == "text"
		case xml.CharData:
			if in {
				texts = append(texts, string(token))
			}
		case xml.EndElement:
			in = false
		}
	}
}

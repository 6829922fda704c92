package pfctl

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// golden reads cases of package pf: what pfctl printed for many texts.
func golden(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "pf", "testdata", name))
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What -nv prints foretells what -sr and -sn print: in the very words, unless asLoaded says otherwise.
func TestAsLoadedForetells(t *testing.T) {
	for _, names := range [][2]string{
		{"golden-open.json", "golden-readback-open.json"},
		{"golden-files-open.json", "golden-readback-files-open.json"},
	} {
		var checks []struct {
			Name   string
			Stdout []string
		}
		var loads []struct {
			Name      string
			LoadExit  int `json:"load_exit"`
			SR, SN    []string
			Uncertain string
		}
		golden(t, names[0], &checks)
		golden(t, names[1], &loads)
		printed := map[string][]string{}
		for _, c := range checks {
			printed[c.Name] = c.Stdout
		}
		compared := 0
		for _, l := range loads {
			if l.LoadExit != 0 || l.Uncertain != "" {
				continue
			}
			compared++
			r := asLoaded(text(printed[l.Name]))
			got := slices.Concat(l.SR, l.SN)
			if r.Err != nil || !r.Matches(got) {
				t.Errorf("%s: %v, -foretold +loaded:\n%s", l.Name, r.Err, cmp.Diff(r.Lines, got))
			}
			if r.Exact && !slices.Equal(r.Lines, got) {
				t.Errorf("%s: not the very words, -foretold +loaded:\n%s", l.Name, cmp.Diff(r.Lines, got))
			}
		}
		if compared == 0 {
			t.Error("nothing was compared")
		}
	}
}

// Whatever pfctl complains about is found, with its line, and nothing else is taken for a complaint.
func TestAsLoadedErrors(t *testing.T) {
	var cases []struct {
		Name           string
		Stdout, Stderr []string
		Exit           int
	}
	golden(t, "golden-open.json", &cases)
	for _, c := range cases {
		out := text(slices.Concat(banner[:4], c.Stderr, c.Stdout))
		r := asLoaded(out)
		if failed := r.Err != nil; failed != (len(c.Stderr) > 0) {
			t.Errorf("%s: error %v for\n%s", c.Name, r.Err, strings.Join(c.Stderr, "\n"))
		}
	}
	r := asLoaded([]byte("stdin:3: syntax error\nno IP address found for nowhere\n"))
	var syntax *SyntaxError
	if !errors.As(r.Err, &syntax) {
		t.Fatalf("got %v", r.Err)
	}
	want := []Message{{Line: 3, Text: "syntax error"}, {Text: "no IP address found for nowhere"}}
	if diff := cmp.Diff(want, syntax.Messages); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

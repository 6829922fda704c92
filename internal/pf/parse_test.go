package pf

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestErrors checks what is ours in an error: the place, the hint, and whether it is about this Mac only. The golden
// cases check the words.
func TestErrors(t *testing.T) {
	type want struct {
		Line  string
		Col   int32
		Hint  string
		OnMac bool
	}
	tests := map[string]struct {
		rules string
		want  []want
		all   bool
	}{
		"typo":    {rules: "pass in\nblock in prto tcp\n", want: []want{{Line: "x:2: syntax error", Col: 10, Hint: "did you mean proto?"}}},
		"newline": {rules: "pass in", want: []want{{Line: "x:1: syntax error", Col: 8, Hint: "the last line must end in a newline"}}},
		"crlf": {
			rules: "pass in\r\n",
			want:  []want{{Line: "x:1: syntax error", Col: 8, Hint: "lines must end in a newline alone, not in CR LF"}},
		},
		"match":  {rules: "match in\n", want: []want{{Line: "x:1: syntax error", Col: 1, Hint: later["match"]}}},
		"nat-to": {rules: "pass out on en0 nat-to (en0)\n", want: []want{{Line: "x:1: syntax error", Col: 17, Hint: later["nat-to"]}}},
		"user":   {rules: "pass out user carol\n", want: []want{{Line: "x:1: unknown user carol", Col: 15, OnMac: true}}},
		"port":   {rules: "pass proto tcp to port gopherz\n", want: []want{{Line: "x:1: unknown port gopherz", Col: 24, OnMac: true}}},
		"interface": {rules: "pass to en9\n", want: []want{
			{Line: "no IP address found for en9", Col: 9, Hint: "no interface en9 on this Mac; (en9) would follow it when it appears", OnMac: true},
			{Line: "x:1: could not parse host specification", Col: 9, OnMac: true},
		}},
		"undefined": { // The next line goes with it.
			rules: "pass on $a all\nfoo\nblock return-rst\n",
			want: []want{
				{Line: "x:1: macro 'a' not defined", Col: 9},
				{Line: "x:1: syntax error", Col: 9},
				{Line: "x:3: return-rst can only be applied to TCP rules", Col: 1},
				{Line: "x:3: skipping rule due to errors", Col: 1},
				{Line: "x:3: rule expands to no valid combination", Col: 1},
			},
		},
		"undefined-at-the-end": { // The newline is lost, and lines are counted wrongly from there on.
			rules: "pass on $a\n\n\nblock return-rst\n",
			want: []want{
				{Line: "x:1: macro 'a' not defined", Col: 9},
				{Line: "x:1: syntax error", Col: 9},
				{Line: "x:3: return-rst can only be applied to TCP rules", Col: 1},
				{Line: "x:3: skipping rule due to errors", Col: 1},
				{Line: "x:3: rule expands to no valid combination", Col: 1},
			},
		},
		"undefined-all": {
			rules: "pass on $a\npass on $b\npass quik all\n", all: true,
			want: []want{
				{Line: "x:1: macro 'a' not defined", Col: 9},
				{Line: "x:1: syntax error", Col: 9},
				{Line: "x:2: macro 'b' not defined", Col: 9},
				{Line: "x:2: syntax error", Col: 9},
				{Line: "x:3: syntax error", Col: 6, Hint: "did you mean quick?"},
			},
		},
		"within-three-tokens": {
			rules: "foo\nbar\npass all\npass quik all\n",
			want: []want{
				{Line: "x:1: syntax error", Col: 1},
				{Line: "x:4: syntax error", Col: 6, Hint: "did you mean quick?"},
			},
		},
		"within-three-tokens-all": {
			rules: "foo\nbar\npass quik all\n", all: true,
			want: []want{
				{Line: "x:1: syntax error", Col: 1},
				{Line: "x:2: syntax error", Col: 1},
				{Line: "x:3: syntax error", Col: 6, Hint: "did you mean quick?"},
			},
		},
		"too-many": {
			rules: "pass from { " + strings.Repeat("10.0.0.1 ", 300) + "} to { " + strings.Repeat("10.0.0.1 ", 300) + "}\n",
			want:  []want{{Line: "x:1: rules expand to more than 65536", Col: 1}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("x", []byte(tt.rules), Options{Host: goldenHost(), All: tt.all})
			var errs Errors
			if !errors.As(err, &errs) {
				t.Fatalf("error %v, want Errors", err)
			}
			var got []want
			for _, e := range errs {
				got = append(got, want{e.String(), e.Pos.Col, e.Hint, e.OnMac})
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestAnywhere checks a text away from any Mac: what it might mean there is no error here.
func TestAnywhere(t *testing.T) {
	_, err := Parse("x", []byte("pass out user alice\npass to en0\npass to port 80\n"), Options{All: true})
	var errs Errors
	if !errors.As(err, &errs) {
		t.Fatalf("error %v, want Errors", err)
	}
	want := []string{
		"x:3: port only applies to tcp/udp", "x:3: skipping rule due to errors", "x:3: rule expands to no valid combination",
	}
	if diff := cmp.Diff(want, errs.Anywhere().Lines()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestPositions checks where rules say they are.
func TestPositions(t *testing.T) {
	f := mustParse(t, "nat on en0 from 10.0.0.0/8 to any -> (en0)\n  no nat on en1 from any to any\npass \\\n in\nanchor {\n block\n\tpass\n}\n")
	var got []Pos
	for _, list := range [][]*Rule{f.Rules.NAT, f.Rules.Filter, f.Rules.Filter[1].Call.Body.Filter} {
		for _, r := range list {
			got = append(got, r.Pos)
		}
	}
	want := []Pos{{1, 1}, {2, 3}, {3, 1}, {5, 1}, {6, 2}, {7, 2}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestMacros checks that macros given from outside hold against those of the text.
func TestMacros(t *testing.T) {
	f, err := Parse("x", []byte("if = \"en1\"\npass on $if\n"), Options{Macros: map[string]string{"if": "en0"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"pass on en0 all flags S/SA keep state"}, f.Lines()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

package pfctl

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stock is what macOS ships, but for its comment.
const stock = `#
# Default PF configuration file.
#
scrub-anchor "com.apple/*"
nat-anchor "com.apple/*"
rdr-anchor "com.apple/*"
dummynet-anchor "com.apple/*"
anchor "com.apple/*"
load anchor "com.apple" from "/etc/pf.anchors/com.apple"
`

func TestConfWith(t *testing.T) {
	got := Conf(stock).With("web", "/etc/pf.anchors/web", []string{"anchor", "rdr-anchor", "scrub-anchor"})
	got = got.With("ssh", "/etc/pf.anchors/ssh", []string{"anchor"})
	want := `#
# Default PF configuration file.
#
scrub-anchor "com.apple/*"
` + blockBegin + `scrub-anchor "web"
` + blockEnd + `nat-anchor "com.apple/*"
rdr-anchor "com.apple/*"
` + blockBegin + `rdr-anchor "web"
` + blockEnd + `dummynet-anchor "com.apple/*"
anchor "com.apple/*"
load anchor "com.apple" from "/etc/pf.anchors/com.apple"
` + blockBegin + `anchor "ssh"
load anchor "ssh" from "/etc/pf.anchors/ssh"
anchor "web"
load anchor "web" from "/etc/pf.anchors/web"
` + blockEnd
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if again := got.With("web", "/etc/pf.anchors/web", []string{"anchor", "rdr-anchor", "scrub-anchor"}); again != got {
		t.Errorf("a second time is not the same:\n%s", cmp.Diff(got, again))
	}
	if diff := cmp.Diff(stock, string(got.Without("ssh").Without("web"))); diff != "" {
		t.Errorf("taking both out again leaves a trace, -want +got:\n%s", diff)
	}
}

// Whatever stands in pf.conf, adding and removing an anchor gives back the same bytes.
func TestConfLeavesNoTrace(t *testing.T) {
	for name, text := range map[string]string{
		"empty":            "",
		"stock":            stock,
		"no-newline":       strings.TrimSuffix(stock, "\n"),
		"comment-at-end":   stock + "# the end",
		"blank-lines":      "\n\n" + stock + "\n\n",
		"crlf":             strings.ReplaceAll(stock, "\n", "\r\n"),
		"continued":        "set skip on \\\n lo0\nports = \"{ 22, 80 }\"\nnat on en0 from \\\n 10/8 to any -> (en0)\npass all\n",
		"inline-anchor":    "anchor \"x\" on en0 {\n  pass in proto tcp to port 22\n  block drop in\n}\n",
		"hash-in-a-string": "pass in proto tcp label \"a # b\"\n",
	} {
		t.Run(name, func(t *testing.T) {
			with := Conf(text).With("mine", "/etc/pf.anchors/mine", []string{"anchor", "rdr-anchor", "scrub-anchor"})
			for _, kind := range []string{"anchor", "rdr-anchor", "scrub-anchor"} {
				if !with.statements().calls(kind, "mine") {
					t.Errorf("no %s in\n%s", kind, with)
				}
			}
			if diff := cmp.Diff(text, string(with.Without("mine"))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			var last section
			for _, s := range with.statements() {
				if at := s.section(); at != anywhere && at < last {
					t.Errorf("out of order: %q in\n%s", s.words, with)
				} else if at != anywhere {
					last = at
				}
			}
		})
	}
}

func TestConfKeepsCallsOfOthers(t *testing.T) {
	byHand := stock + "anchor \"tailscale-only\"\nload anchor \"tailscale-only\" from \"/etc/pf.anchors/tailscale-only\"\n"
	got := Conf(byHand).With("tailscale-only", "/etc/pf.anchors/tailscale-only", []string{"anchor"})
	if diff := cmp.Diff(byHand, string(got)); diff != "" {
		t.Errorf("lines written by hand are enough, -want +got:\n%s", diff)
	}
	if _, foreign := got.statements().loads("tailscale-only", "/etc/pf.anchors/tailscale-only"); !foreign {
		t.Error("the line that loads the file is taken for ours")
	}
}

func TestReaches(t *testing.T) {
	for _, test := range []struct {
		target, name string
		want         bool
	}{
		{"com.apple/*", "com.apple/250.mine", true},
		{"com.apple/*", "com.apple", false},
		{"com.apple/*", "com.apple/a/b", false},
		{"*", "mine", true},
		{"mine", "mine", true},
		{"/mine", "mine", true},
		{"mine", "mine2", false},
	} {
		if got := reaches(test.target, test.name); got != test.want {
			t.Errorf("reaches(%q, %q) = %v", test.target, test.name, got)
		}
	}
}

// What a survey answers from what it has read once is what reading anew would say.
func TestSurveyWith(t *testing.T) {
	with := Conf(stock)
	for _, name := range []string{"a", "b/c", "d"} {
		with = with.With(name, FileOf(name), []string{"anchor", "rdr-anchor"})
	}
	for name, text := range map[string]Conf{
		"empty":           "",
		"stock":           stock,
		"ours":            with,
		"by-hand-as-ours": stock + "anchor \"a\"\nload anchor \"a\" from \"/etc/pf.anchors/a\"\n",
		"by-hand-too":     with + "anchor \"a\"\nload anchor \"d\" from \"/etc/pf.anchors/d\"\n",
		"other-order": Conf(strings.Replace(string(with), "anchor \"a\"\nload anchor \"a\" from \"/etc/pf.anchors/a\"\n",
			"load anchor \"a\" from \"/etc/pf.anchors/a\"\nanchor \"a\"\n", 1)),
		"not-sorted": Conf(strings.NewReplacer(`"a"`, `"d"`, `"d"`, `"a"`, "anchors/a", "anchors/d", "anchors/d", "anchors/a").Replace(string(with))),
		"no-end":     Conf(strings.Replace(string(with), blockEnd, "", 1)),
		"moved":      Conf(strings.Replace(stock, "anchor \"com", blockBegin+"anchor \"a\"\n"+blockEnd+"anchor \"com", 1)),
	} {
		t.Run(name, func(t *testing.T) {
			s := &Survey{Conf: text}
			for _, anchor := range []string{"a", "b/c", "d", "new"} {
				for _, kinds := range [][]string{nil, {"anchor"}, {"anchor", "rdr-anchor"}, {"rdr-anchor", "anchor"}, {"scrub-anchor", "anchor"}} {
					for _, file := range []string{"", FileOf(anchor)} {
						if diff := cmp.Diff(text.With(anchor, file, kinds), s.with(anchor, file, kinds)); diff != "" {
							t.Errorf("%s, %q, %q: -want +got:\n%s", anchor, kinds, file, diff)
						}
					}
				}
			}
		})
	}
}

// A block in which somebody meddled is theirs: nothing of it is lost or moved.
func TestConfMeddled(t *testing.T) {
	with := string(Conf(stock).With("mine", "/etc/pf.anchors/mine", []string{"anchor"}))
	for name, text := range map[string]string{
		"no-end":      strings.Replace(with, blockEnd, "", 1) + "pass in quick all # theirs\n",
		"rule-inside": strings.Replace(with, blockEnd, "pass in quick all # theirs\n"+blockEnd, 1),
	} {
		t.Run(name, func(t *testing.T) {
			got := Conf(text).With("other", "/etc/pf.anchors/other", []string{"anchor"})
			if !strings.HasPrefix(string(got), text) {
				t.Errorf("their part has changed:\n%s", cmp.Diff(text, string(got)))
			}
			if diff := cmp.Diff(text, string(got.Without("other"))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

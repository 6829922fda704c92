package pfctl

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

// What calls reach, of which kind, and what nothing reaches.
func TestLoadedAnchors(t *testing.T) {
	mac, h := start(t)
	byHand(t, mac, `
printf '%s\n' 'pass out all' | /sbin/pfctl -q -a com.apple/250.mine -f -
printf '%s\n' 'pass out all' | /sbin/pfctl -q -a com.apple/250.mine/below -f -
printf '%s\n' 'rdr pass on lo0 proto tcp to port 80 -> 127.0.0.1 port 8080' 'pass in all' | /sbin/pfctl -q -a half -f -
printf '%s\n' 'anchor "inner"' 'anchor "../other/x"' 'anchor "/top"' | /sbin/pfctl -q -a calls -f -
for name in calls/inner other/x top forgotten; do printf 'block in all\n' | /sbin/pfctl -q -a "$name" -f -; done
printf '%s\n' 'anchor "half"' 'anchor "calls"' | cat /etc/pf.conf - | /sbin/pfctl -q -f -
`)
	s, err := look(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, a := range s.LoadedAnchors() {
		slices.Sort(a.Calls)
		got[a.Name] = fmt.Sprint(a.Calls, a.Dead)
	}
	all := "[anchor nat-anchor rdr-anchor scrub-anchor] false"
	want := map[string]string{
		"com.apple": "[] false", // it has calls only, and macOS calls what is below it
		// Created by the calls in com.apple.
		"com.apple/200.AirDrop": all, "com.apple/250.ApplicationFirewall": all,
		"com.apple/250.mine": all, "com.apple/250.mine/below": "[] true",
		"half": "[anchor] true", "calls": "[anchor] false", "calls/inner": "[anchor] false", "other": "[] false", "other/x": "[anchor] false",
		"top": "[anchor] false", "forgotten": "[] true",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	evaluated := map[string]bool{}
	for _, r := range s.LoadedRules() {
		if r.Anchor == "half" {
			evaluated[r.Text] = r.Evaluated
		}
	}
	if d := cmp.Diff(map[string]bool{
		"rdr pass on lo0 inet proto tcp from any to any port = 80 -> 127.0.0.1 port 8080": false, "pass in all flags S/SA keep state": true,
	}, evaluated); d != "" {
		t.Error(d)
	}
}

// An inline anchor's rules stand where it is, in order, and a line that is no rule keeps its text.
func TestLoadedRules_inline(t *testing.T) {
	s := parseSurvey(records("main filter", "anchor in on en0 all {\n  block drop in all\n  pass quick frobnicate\n}\npass out all flags S/SA keep state"))
	var got []string
	for _, r := range s.LoadedRules() {
		action := "?"
		if r.Parts != nil {
			action = r.Parts.Action
		}
		got = append(got, action+": "+r.Text)
	}
	if d := cmp.Diff([]string{
		"anchor: anchor in on en0 all {", "block: block drop in all", "?: pass quick frobnicate", "?: }", "pass: pass out all flags S/SA keep state",
	}, got); d != "" {
		t.Error(d)
	}
}

// records are one record, as a script would say it.
func records(header, body string) []remote.Record {
	key, args, _ := strings.Cut(header, " ")
	return []remote.Record{{Key: key, Args: args, Body: []byte(body + "\n")}}
}

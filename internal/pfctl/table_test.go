package pfctl

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

func TestCanonicalAddress(t *testing.T) {
	for word, want := range map[string]string{
		"10.0.0.1": "10.0.0.1", "10.0.0.1/32": "10.0.0.1", "10.1.2.3/8": "10.0.0.0/8", "10/8": "10.0.0.0/8", "192.168/16": "192.168.0.0/16",
		"!10.0.0.1": "!10.0.0.1", "! 10.0.0.1/32": "!10.0.0.1", " 10.0.0.1 ": "10.0.0.1", "0.0.0.0/0": "0.0.0.0/0",
		"2001:DB8:0:0::1/128": "2001:db8::1", "2001:db8::ffff/32": "2001:db8::/32", "::/0": "::/0", "!fe80::/10": "!fe80::/10",
		"::ffff:10.0.0.1": "::ffff:10.0.0.1",

		"": "", "en0": "", "self": "", "any": "", "localhost": "", "mini.lan": "", "(en0)": "", "<t>": "", "10.0.0.1/33": "", "fe80::1%en0": "", "10.0.0.1-10.0.0.9": "",
		"!!10.0.0.1": "", "10.0.0.256": "", "10.0.0.1 10.0.0.2": "", "2001:db8::/129": "", "10.0.0.1;": "", "en0:network": "", "face": "", "/8": "",
	} {
		got, err := CanonicalAddress(word)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: got %q, %v; want %q", word, got, err, want)
			continue
		}
		if again, err := CanonicalAddress(got); want != "" && (again != got || err != nil) {
			t.Errorf("%q: %q is not canonical: %q, %v", word, got, again, err)
		}
		if want == "" {
			continue
		}
		// pfctl prints it so.
		entries, err := pf.ParseEntries(&pf.Host{}, strings.ReplaceAll(strings.TrimSpace(word), " ", ""))
		if err != nil || len(entries) != 1 || entries[0].String() != want {
			t.Errorf("%q: pfctl prints %v, %v", word, entries, err)
		}
	}
}

const uses = "table <bad> persist\nblock drop in quick on en1 from <bad>\n"

// table is what the kernel and the file hold.
func table(t *testing.T, h *remote.Host, anchor, name string) string {
	t.Helper()
	s, err := look(t.Context(), h, anchor)
	if err != nil {
		t.Fatal(err)
	}
	found := s.Table(anchor, name)
	var drift []string
	if found.FileExists {
		drift = found.Drift(found.Kept)
	}
	return fmt.Sprintf("%v %v; %v %v %v", found.Exists, found.Addresses, found.FileExists, found.Kept, drift)
}

// The life of a table, exclusive and shared, used by rules or not.
func TestApplyTable(t *testing.T) {
	for name, rules := range map[string]string{"used": uses, "unused": ""} {
		t.Run(name, func(t *testing.T) {
			mac, h := start(t)
			if rules != "" {
				if _, err := Apply(t.Context(), h, "web", rules, Seen{}); err != nil {
					t.Fatal(err)
				}
			}
			before := mac.String()
			apply := func(c TableChange, want string) {
				t.Helper()
				c.Anchor, c.Name = "web", "bad"
				s, err := ApplyTable(t.Context(), h, c)
				if err != nil {
					t.Fatal(err)
				}
				if got := table(t, h, "web", "bad"); got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
				if found := s.Table("web", "bad"); !strings.HasPrefix(want, fmt.Sprintf("%v %v;", found.Exists, found.Addresses)) {
					t.Errorf("returned %v %v", found.Exists, found.Addresses)
				}
			}
			apply(TableChange{Exclusive: true, Want: []string{"10.0.0.1/32", "192.0.2.0/24", "!192.0.2.7", "2001:db8::1"}},
				"true [!192.0.2.7 10.0.0.1 192.0.2.0/24 2001:db8::1]; true [!192.0.2.7 10.0.0.1 192.0.2.0/24 2001:db8::1] []")
			seen := []string{"10.0.0.1", "192.0.2.0/24", "!192.0.2.7", "2001:db8::1"}
			apply(TableChange{Exclusive: true, Want: []string{"192.0.2.7", "10.0.0.2"}, Seen: seen}, "true [10.0.0.2 192.0.2.7]; true [10.0.0.2 192.0.2.7] []")
			// Shared from now on: what others add is left alone.
			byHand(t, mac, "/sbin/pfctl -q -a web -t bad -T add 203.0.113.5 203.0.113.6")
			apply(TableChange{Want: []string{"!10.0.0.2", "10.0.0.3", "203.0.113.6"}, Seen: []string{"10.0.0.2", "192.0.2.7"}},
				"true [!10.0.0.2 10.0.0.3 203.0.113.5 203.0.113.6]; true [!10.0.0.2 10.0.0.3 203.0.113.6] []")
			apply(TableChange{Gone: true, Want: []string{"!10.0.0.2", "10.0.0.3", "203.0.113.6"}}, "true [203.0.113.5]; false [] []")
			apply(TableChange{Exclusive: true, Gone: true, Seen: []string{"203.0.113.5"}}, fmt.Sprintf("%v []; false [] []", rules != ""))
			if after := mac.String(); after != before {
				t.Error(cmp.Diff(before, after))
			}
		})
	}
}

// What somebody changed since the plan is not overwritten, nor is what was never ours; what is only missing is put back.
func TestApplyTable_changed(t *testing.T) {
	mac, h := start(t)
	byHand(t, mac, "/sbin/pfctl -q -a web -t bad -T add 10.0.0.1 10.0.0.9")
	before := mac.String()
	for name, c := range map[string]TableChange{
		"never ours":    {Exclusive: true, Want: []string{"10.0.0.1"}},
		"one more":      {Exclusive: true, Want: []string{"10.0.0.1", "10.0.0.2"}, Seen: []string{"10.0.0.1"}},
		"one less":      {Exclusive: true, Want: []string{"10.0.0.2"}, Seen: []string{"10.0.0.1", "10.0.0.9", "10.0.0.10"}},
		"removal, more": {Exclusive: true, Gone: true, Seen: []string{"10.0.0.1"}},
	} {
		c.Anchor, c.Name = "web", "bad"
		if s, err := ApplyTable(t.Context(), h, c); !errors.Is(err, ErrTableChanged) || s == nil || len(s.Table("web", "bad").Addresses) != 2 {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Between the look and the change: the script itself sees it.
	once := sync.OnceFunc(func() { byHand(t, mac, "/sbin/pfctl -q -a web -t bad -T add 10.0.0.77") })
	mac.Watch(func(argv []string, done bool) {
		if !done && strings.HasSuffix(strings.Join(argv, " "), "change.sh try") {
			once()
		}
	})
	c := TableChange{Anchor: "web", Name: "bad", Exclusive: true, Want: []string{"10.0.0.2"}, Seen: []string{"10.0.0.1", "10.0.0.9"}}
	if _, err := ApplyTable(t.Context(), h, c); !errors.Is(err, ErrTableChanged) {
		t.Errorf("in between: %v", err)
	}
	mac.Watch(nil)
	byHand(t, mac, "/sbin/pfctl -q -a web -t bad -T delete 10.0.0.77")
	if after := mac.String(); after != before {
		t.Error(cmp.Diff(before, after))
	}
}

// Whatever fails at any program of a change, the table and its file are as before.
func TestApplyTable_undone(t *testing.T) {
	c := TableChange{Anchor: "web", Name: "bad", Want: []string{"10.0.0.2", "!10.0.0.3"}, Seen: []string{"10.0.0.1", "10.0.0.3"}}
	for name, exclusive := range map[string]bool{"exclusive": true, "shared": false} {
		for _, used := range []bool{true, false} {
			t.Run(fmt.Sprint(name, used), func(t *testing.T) {
				mac, h := start(t)
				if used {
					if _, err := Apply(t.Context(), h, "web", uses, Seen{}); err != nil {
						t.Fatal(err)
					}
				}
				c := c
				c.Exclusive = exclusive
				if _, err := ApplyTable(t.Context(), h, TableChange{Anchor: "web", Name: "bad", Exclusive: true, Want: c.Seen}); err != nil {
					t.Fatal(err)
				}
				before := mac.String()
				failures := 0
				for k := 0; ; k++ {
					n, failed := 0, ""
					mac.Fail(func(argv []string) *macsim.Failure {
						line := strings.Join(argv, " ")
						if strings.Contains(line, " -T ") && !strings.Contains(line, " show") || strings.Contains(line, "/mv ") && strings.Contains(line, "pf.tables") {
							if line == failed { // it is tried twice
								failed = "again"
								return &macsim.Failure{Exit: 1, Stderr: "no\n"}
							}
							if n++; n == k+1 {
								failed = line
								return &macsim.Failure{Exit: 1, Stderr: "no\n"}
							}
						}
						return nil
					})
					_, err := ApplyTable(t.Context(), h, c)
					mac.Fail(nil)
					if err == nil {
						break
					}
					if failures++; failures > 20 {
						t.Fatal(err)
					}
					if after := mac.String(); after != before {
						t.Fatalf("failure %d: %v\n%s", k, err, cmp.Diff(before, after))
					}
				}
				if failures == 0 {
					t.Error("nothing failed")
				}
				if got, want := table(t, h, "web", "bad"), "true [!10.0.0.3 10.0.0.2]; true [!10.0.0.3 10.0.0.2] []"; got != want {
					t.Errorf("got %s", got)
				}
			})
		}
	}
}

// A file that rules name is emptied and not removed: pfctl would refuse them without it.
func TestApplyTable_named(t *testing.T) {
	mac, h := start(t)
	c := TableChange{Anchor: "a/b", Name: "bad", Exclusive: true, Want: []string{"10.0.0.1"}}
	if _, err := ApplyTable(t.Context(), h, c); err != nil {
		t.Fatal(err)
	}
	rules := "table <bad> persist file \"/etc/pf.tables/a:b:bad\"\nblock in on en1 from <bad>\n"
	if _, err := Apply(t.Context(), h, "a/b", rules, Seen{}); err != nil {
		t.Fatal(err)
	}
	c.Gone, c.Seen = true, c.Want
	if _, err := ApplyTable(t.Context(), h, c); err != nil {
		t.Fatal(err)
	}
	if text, err := mac.Files().Read("/etc/pf.tables/a:b:bad"); text != "" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if got := table(t, h, "a/b", "bad"); got != "true []; true [] []" {
		t.Error(got)
	}
}

// Thousands of addresses are one call, and so are many tables at once.
func TestApplyTable_many(t *testing.T) {
	mac, h := start(t)
	var want []string
	for i := range 5000 {
		want = append(want, fmt.Sprintf("10.%d.%d.1", i/250, i%250))
	}
	mac.ForgetCalls()
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			c := TableChange{Anchor: "web", Name: fmt.Sprint("t", n), Exclusive: true, Want: want}
			if _, err := ApplyTable(t.Context(), h, c); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	replaces := 0
	for _, call := range mac.Calls() {
		if slices.Contains(call.Argv, "replace") {
			replaces++
		}
	}
	if replaces != 4 {
		t.Errorf("%d calls that replace", replaces)
	}
	s, err := look(t.Context(), h, "web")
	if err != nil {
		t.Fatal(err)
	}
	for n := range 4 {
		if found := s.Table("web", fmt.Sprint("t", n)); len(found.Addresses) != 5000 || len(found.Kept) != 5000 {
			t.Errorf("%d in the kernel, %d in the file", len(found.Addresses), len(found.Kept))
		}
	}
}

// A restart forgets the table; the boot job fills it from its file, whichever of the two comes first.
func TestBootScript_tables(t *testing.T) {
	mac, h := start(t)
	if _, err := Apply(t.Context(), h, "web", uses, Seen{}); err != nil {
		t.Fatal(err)
	}
	c := TableChange{Anchor: "web", Name: "bad", Exclusive: true, Want: []string{"10.0.0.1", "!10.0.0.2"}}
	if _, err := ApplyTable(t.Context(), h, c); err != nil {
		t.Fatal(err)
	}
	for name, script := range map[string]string{
		"after pf.conf":  BootScript,
		"before pf.conf": "/sbin/pfctl -q -F all; " + BootScript + "/sbin/pfctl -q -f /etc/pf.conf",
	} {
		mac.Reboot()
		if got := table(t, dial(t, mac), "web", "bad"); got != "true []; true [!10.0.0.2 10.0.0.1] []" {
			t.Fatalf("after the restart: %s", got)
		}
		byHand(t, mac, "{\n"+script+"\n} 2>/dev/null")
		if got := table(t, dial(t, mac), "web", "bad"); got != "true [!10.0.0.2 10.0.0.1]; true [!10.0.0.2 10.0.0.1] []" {
			t.Errorf("%s: %s", name, got)
		}
	}
	h.Close()
}

// A forecast looks into tables: an address there can be the way in, or what cuts it.
func TestJudge_table(t *testing.T) {
	mac := surveyed{
		main:    "anchor \"web\" all\n",
		anchors: map[string]string{"web": "block drop in quick on en0 proto tcp from <bad> to any\npass in quick on en0 proto tcp from <good> to any flags S/SA keep state\nblock drop in on en0 proto tcp all\n"},
		tables:  map[string]string{"good web": "   198.51.100.0/24\n", "bad web": "   192.0.2.1\n"},
	}
	for _, test := range []struct {
		table     string
		addresses []string
		want      []Kind
	}{
		{"good", []string{"198.51.100.0/24"}, nil},
		{"good", []string{"198.51.100.7", "203.0.113.0/24"}, nil},
		{"good", []string{"203.0.113.0/24"}, []Kind{Cut}},
		{"good", []string{"198.51.100.0/24", "!198.51.100.7"}, []Kind{Cut}},
		{"good", nil, []Kind{Cut}},
		{"bad", []string{"198.51.100.0/25"}, []Kind{Cut}},
		{"bad", []string{"198.51.100.0/25", "!198.51.100.7"}, nil},
		{"bad", nil, nil},
		{"other", []string{"198.51.100.7"}, nil},
	} {
		var got []Kind
		for _, f := range new(Planned).Judge(mac.survey(), Intent{Anchor: "web", Table: test.table, Addresses: test.addresses}) {
			got = append(got, f.Kind)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s %v: got %v, want %v", test.table, test.addresses, got, test.want)
		}
	}
}

// The rules of an anchor and its tables are judged together, in the order in which they are planned.
func TestJudge_tableAndRules(t *testing.T) {
	s := surveyed{}.survey()
	p := new(Planned)
	rules := intent(t, "web", "table <good> persist\npass in quick on en0 proto tcp from <good>\nblock drop in on en0 proto tcp\n")
	rules.Forced = true
	table := Intent{Anchor: "web", Table: "good", Addresses: []string{"198.51.100.7"}}
	if findings := p.Judge(s, rules); len(findings) == 0 || findings[0].Kind != Cut {
		t.Fatalf("an empty table lets nobody in: %+v", findings)
	}
	if findings := p.Judge(s, table); len(findings) != 0 {
		t.Errorf("%+v", findings)
	}
	table.Addresses = nil
	if findings := p.Judge(s, table); len(findings) != 0 {
		t.Errorf("what was cut before counts again: %+v", findings)
	}
}

package pfctl

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

// start returns a simulated Mac, and the same as the provider reaches it. The client waits for the end of a watchdog for twelve seconds of the
// Mac's, which is time enough on a slow machine.
func start(t *testing.T) (*macsim.Mac, *remote.Host) {
	t.Helper()
	mac := macsim.Start(t, macsim.Mac{Second: 200 * time.Millisecond})
	return mac, dial(t, mac)
}

func dial(t testing.TB, mac *macsim.Mac) *remote.Host {
	t.Helper()
	address, port, err := net.SplitHostPort(mac.Addr())
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	h := remote.NewHost(remote.Target{
		Name: "mini", Address: address, Port: n, User: "admin",
		HostKey: string(ssh.MarshalAuthorizedKey(mac.HostKey())), PrivateKey: mac.ClientKey(),
		CommandTimeout: 20 * time.Second, // how long the lock of a shell that was killed holds; the Mac's seconds are shorter
		ConfirmTimeout: 10 * time.Minute,
	})
	t.Cleanup(h.Close)
	return h
}

// seen is the anchor as it is now.
func seen(t *testing.T, h *remote.Host, name string) Seen {
	t.Helper()
	s, err := look(t.Context(), h, name)
	if err != nil {
		t.Fatal(err)
	}
	a := s.Anchor(name)
	return Seen{Exists: a.Exists, Text: a.Text, Loaded: a.Loaded}
}

// byHand runs a script at the Mac itself.
func byHand(t *testing.T, mac *macsim.Mac, script string, args ...string) {
	t.Helper()
	if _, stderr, exit := mac.Run(t.Context(), script, args...); exit != 0 {
		t.Fatalf("exit %d: %s\n%s", exit, stderr, script)
	}
}

const (
	ssh22 = "pass in proto tcp to any port 22\n"
	web   = "rdr on en0 proto tcp to port 80 -> 127.0.0.1 port 8080\npass in proto tcp to any port 8080\n"
)

func TestApply(t *testing.T) {
	mac, h := start(t)
	before := mac.String()
	s, err := Apply(t.Context(), h, "web", web, Seen{})
	if err != nil {
		t.Fatal(err)
	}
	a := s.Anchor("web")
	want := []string{
		"pass in proto tcp from any to any port = 8080 flags S/SA keep state",
		"rdr on en0 inet proto tcp from any to any port = 80 -> 127.0.0.1 port 8080",
	}
	if diff := cmp.Diff(want, a.Loaded); diff != "" {
		t.Errorf("loaded rules, -want +got:\n%s", diff)
	}
	if a.Text != web || a.Mode&0o7777 != 0o644 || a.Owner != "0:0" {
		t.Errorf("file: %04o %s\n%s", a.Mode&0o7777, a.Owner, a.Text)
	}
	if diff := cmp.Diff([]string{"anchor", "rdr-anchor"}, slices.Sorted(slices.Values(s.Calls("web")))); diff != "" {
		t.Errorf("calls, -want +got:\n%s", diff)
	}
	if drift := s.Drift("web"); len(drift) > 0 {
		t.Errorf("drift after apply: %q", drift)
	}

	mac.Reboot()
	s, err = Look(t.Context(), dial(t, mac))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, s.Anchor("web").Loaded); diff != "" || len(s.Drift("web")) > 0 {
		t.Errorf("after a reboot: drift %q, rules -want +got:\n%s", s.Drift("web"), diff)
	}

	if _, err := Remove(t.Context(), h, "web", seen(t, h, "web")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, mac.String()); diff != "" {
		t.Errorf("removing it leaves a trace, -want +got:\n%s", diff)
	}
}

// An apply that has nothing to do changes nothing; it takes two round trips, and a third is not needed to know what is there.
func TestApplyRoundTrips(t *testing.T) {
	mac, h := start(t)
	if _, err := Apply(t.Context(), h, "one", ssh22, Seen{}); err != nil {
		t.Fatal(err)
	}
	requests := 0
	mac.ForgetCalls()
	if _, err := Apply(t.Context(), h, "two", ssh22, Seen{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range mac.Calls() {
		if c.Argv[0] == "/usr/bin/mktemp" { // each request with files makes one folder
			requests++
		}
	}
	if requests != 2 {
		t.Errorf("an apply took %d requests, want 2", requests)
	}
}

// A change takes no longer than a person waits: the login, the watchdog, the new connection that confirms, and the end, over a network that
// takes 50 ms to the Mac and back.
func TestApplySwift(t *testing.T) {
	const most = 3 * time.Second
	took := most + 1
	for tries := 0; tries < 3 && took > most; tries++ { // A pause of this machine is nobody's slowness, unless there are three.
		mac := macsim.Start(t, macsim.Mac{Latency: 25 * time.Millisecond})
		byHand(t, mac, pfOn+":")
		h := dial(t, mac)
		began := time.Now()
		if _, err := Apply(t.Context(), h, "ssh", ssh22, Seen{}); err != nil {
			t.Fatal(err)
		}
		took = time.Since(began)
		t.Logf("one anchor, confirmed over a new connection, at a round trip of 50 ms: %.2f s", took.Seconds())
	}
	if took > most {
		t.Errorf("it took %v", took)
	}
}

func TestApplyChanged(t *testing.T) {
	for name, script := range map[string]string{
		"file-edited":   `echo "# by hand" >>/etc/pf.anchors/ssh`,
		"rules-changed": `echo "block all" | /sbin/pfctl -q -a ssh -f - 2>/dev/null`,
		"flushed":       `/sbin/pfctl -q -a ssh -F rules 2>/dev/null`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mac, h := start(t)
			if _, err := Apply(t.Context(), h, "ssh", ssh22, Seen{}); err != nil {
				t.Fatal(err)
			}
			planned := seen(t, h, "ssh")
			byHand(t, mac, script)
			before := mac.String()
			if _, err := Apply(t.Context(), h, "ssh", web, planned); !errors.Is(err, ErrChanged) {
				t.Errorf("got %v, want ErrChanged", err)
			}
			if diff := cmp.Diff(before, mac.String()); diff != "" {
				t.Errorf("something was overwritten, -want +got:\n%s", diff)
			}
		})
	}
}

// Whatever stops an apply before its files are in place, the Mac is as it was.
func TestApplyFails(t *testing.T) {
	fails := func(words ...string) func([]string) *macsim.Failure {
		return func(argv []string) *macsim.Failure {
			line := strings.Join(argv, " ")
			for _, w := range words {
				if !strings.Contains(line, w) {
					return nil
				}
			}
			return &macsim.Failure{Stderr: "no\n", Exit: 1}
		}
	}
	for name, test := range map[string]struct {
		arrange func(*macsim.Mac)
		want    error
	}{
		"anchor-load": {func(m *macsim.Mac) { m.Fail(fails("pfctl -q -o none -a web -f")) }, ErrLoad},
		"main-load":   {func(m *macsim.Mac) { m.Fail(fails("pfctl -q -f load")) }, ErrLoad},
		"rename":      {func(m *macsim.Mac) { m.Fail(fails("/bin/mv", "/etc/pf.anchors/web")) }, ErrDisk},
		"protected":   {func(m *macsim.Mac) { _ = m.Files().SetImmutable("/etc/pf.anchors/web", true) }, ErrDisk},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mac, h := start(t)
			if _, err := Apply(t.Context(), h, "web", ssh22, Seen{}); err != nil {
				t.Fatal(err)
			}
			planned, before := seen(t, h, "web"), mac.String()
			test.arrange(mac)
			if _, err := Apply(t.Context(), h, "web", web, planned); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			mac.Fail(nil)
			mac.Files().Free()
			_ = mac.Files().SetImmutable("/etc/pf.anchors/web", false)
			if diff := cmp.Diff(before, mac.String()); diff != "" {
				t.Errorf("the Mac is not as it was, -want +got:\n%s", diff)
			}
		})
	}
}

// However much room the disk has left, the rules are all old, or all new.
func TestApplyDiskFull(t *testing.T) {
	t.Parallel()
	kept := 0
	for room := int64(0); kept < 2; room += 2000 {
		mac, h := start(t)
		if _, err := Apply(t.Context(), h, "web", ssh22, Seen{}); err != nil {
			t.Fatal(err)
		}
		planned, before := seen(t, h, "web"), mac.String()
		mac.Files().Fill("/", room)
		_, err := Apply(t.Context(), h, "web", web, planned)
		mac.Files().Free()
		after := mac.String()
		switch now := seen(t, h, "web"); {
		case err == nil && now.Text == web:
			kept++
		case err == nil || after != before:
			t.Errorf("with room for %d bytes: %v, -want +got:\n%s", room, err, cmp.Diff(before, after))
		}
		if room > 100_000 {
			t.Fatal("nothing of that takes so much room")
		}
	}
}

// From any set of anchors to any other, in any order, the Mac ends in that set's one state.
func TestApplyConverges(t *testing.T) {
	mac, h := start(t)
	states := []map[string]string{
		{},
		{"ssh": ssh22},
		{"ssh": web, "web": web},
		{"web": web, "com.apple/250.mine": ssh22},
		{"a": "scrub in all\npass in all\n", "b/c": "block in quick from 192.0.2.0/24\n", "ssh": ssh22},
	}
	names := map[string]bool{}
	for _, state := range states {
		for name := range state {
			names[name] = true
		}
	}
	enter := func(state map[string]string) string {
		for name := range names {
			now := seen(t, h, name)
			var err error
			if text, ok := state[name]; ok {
				_, err = Apply(t.Context(), h, name, text, now)
			} else {
				_, err = Remove(t.Context(), h, name, now)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		return mac.String()
	}
	want := make([]string, len(states))
	for i, state := range states {
		want[i] = enter(state)
	}
	for range 30 {
		i := rand.IntN(len(states))
		if got := enter(states[i]); got != want[i] {
			t.Fatalf("state %d, -want +got:\n%s", i, cmp.Diff(want[i], got))
		}
	}
}

// What services inserted into the main ruleset survives changes to an anchor that is called already, and its removal.
func TestApplyKeepsInsertedCalls(t *testing.T) {
	mac, h := start(t)
	if _, err := Apply(t.Context(), h, "ssh", ssh22, Seen{}); err != nil {
		t.Fatal(err)
	}
	// Internet Sharing's way: the main ruleset with a call more than pf.conf has.
	byHand(t, mac, `(cat /etc/pf.conf; echo 'anchor "com.apple.internet-sharing"') | /sbin/pfctl -q -f - 2>/dev/null`)
	const inserted = `anchor "com.apple.internet-sharing" all`
	s, err := Look(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{inserted}, s.Lost); diff != "" {
		t.Errorf("what a load of pf.conf would lose, -want +got:\n%s", diff)
	}
	if _, err := Apply(t.Context(), h, "ssh", web[strings.Index(web, "pass"):], seen(t, h, "ssh")); err != nil {
		t.Fatal(err)
	}
	s, err = Remove(t.Context(), h, "ssh", seen(t, h, "ssh"))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(s.main, inserted) {
		t.Errorf("the call is gone: %q", s.main)
	}
}

// A line by hand that loads our file keeps it from being removed: without the file, the Mac would boot without a main ruleset.
func TestRemoveKeepsLoadedFile(t *testing.T) {
	mac, h := start(t)
	byHand(t, mac, `echo "pass in all" >/etc/pf.anchors/mine
printf 'anchor "mine"\nload anchor "mine" from "/etc/pf.anchors/mine"\n' >>/etc/pf.conf
/sbin/pfctl -q -f /etc/pf.conf 2>/dev/null`)
	if _, err := Remove(t.Context(), h, "mine", seen(t, h, "mine")); err != nil {
		t.Fatal(err)
	}
	byHand(t, mac, `test -f /etc/pf.anchors/mine && test ! -s /etc/pf.anchors/mine && /sbin/pfctl -q -n -f /etc/pf.conf 2>/dev/null`)
}

// A table's content belongs to the rules: a change of it is loaded, and what a hand put into it is drift.
func TestApplyTables(t *testing.T) {
	mac, h := start(t)
	text := func(net string) string {
		return "table <office> { " + net + " }\npass in proto tcp from <office> to any port 22\n"
	}
	holds := func(want string) {
		t.Helper()
		out, _, _ := mac.Run(t.Context(), "/sbin/pfctl -q -a ssh -t office -T show")
		if got := strings.Join(strings.Fields(out), " "); got != want {
			t.Errorf("the table holds %q, want %q", got, want)
		}
	}
	apply := func(net string) {
		t.Helper()
		s, err := Apply(t.Context(), h, "ssh", text(net), seen(t, h, "ssh"))
		if err != nil || len(s.Drift("ssh")) > 0 {
			t.Fatalf("%v, drift %q", err, s.Drift("ssh"))
		}
		holds(net)
	}
	apply("10.0.0.0/8")
	apply("192.168.0.0/16")
	byHand(t, mac, "/sbin/pfctl -q -a ssh -t office -T add 203.0.113.9")
	s, err := Look(t.Context(), dial(t, mac))
	if err != nil || !strings.Contains(strings.Join(s.Drift("ssh"), "\n"), "203.0.113.9") {
		t.Errorf("%v, drift %q", err, s.Drift("ssh"))
	}
	apply("192.168.0.0/16")
}

// alike are rules that pfctl's optimizer makes one of, with a table.
func alike() string {
	var b strings.Builder
	for i := range 8 {
		fmt.Fprintf(&b, "pass in proto tcp from 192.0.2.%d to any port 22\n", i+1)
	}
	return b.String()
}

// Anchors are loaded without the optimizer; at boot macOS uses it, which is no drift. Loading the main ruleset for
// another anchor does not load this one again.
func TestApplyOptimizer(t *testing.T) {
	mac, h := start(t)
	if _, err := Apply(t.Context(), h, "a", alike(), Seen{}); err != nil {
		t.Fatal(err)
	}
	if _, err := Apply(t.Context(), h, "b", alike(), Seen{}); err != nil {
		t.Fatal(err)
	}
	s, err := Look(t.Context(), h)
	if err != nil || len(s.Anchor("a").Loaded) != 8 {
		t.Errorf("%v, loaded %q", err, s.Anchor("a").Loaded)
	}
	mac.Reboot()
	again := dial(t, mac)
	if s, err = Look(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	a := s.Anchor("a")
	if len(a.Loaded) == 8 {
		t.Error("the optimizer did nothing at boot: this tests nothing")
	}
	if c := s.Plan("a", a.Expected); c.Kernel || len(s.Drift("a")) > 0 {
		t.Errorf("what boot loaded is drift: %q, %q", a.Loaded, s.Drift("a"))
	}
	booted := Seen{Exists: true, Text: a.Text, Loaded: a.Loaded}
	byHand(t, mac, "/sbin/pfctl -q -f /etc/pf.conf 2>/dev/null") // gives the optimizer's tables other names
	if _, err := Remove(t.Context(), again, "a", booted); err != nil {
		t.Error(err)
	}
}

// What a hand leaves behind: lines in pf.conf without the file that they load. It is not gone, since the next boot would fail.
func TestGone(t *testing.T) {
	mac, h := start(t)
	if _, err := Apply(t.Context(), h, "ssh", ssh22, Seen{}); err != nil {
		t.Fatal(err)
	}
	byHand(t, mac, "/sbin/pfctl -q -a ssh -F all 2>/dev/null; rm /etc/pf.anchors/ssh")
	s, err := Look(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	if s.Gone("ssh") || !strings.Contains(strings.Join(s.Drift("ssh"), "\n"), "does not exist") {
		t.Errorf("gone %v, drift %q", s.Gone("ssh"), s.Drift("ssh"))
	}
	if s, err = Remove(t.Context(), h, "ssh", Seen{}); err != nil || !s.Gone("ssh") {
		t.Errorf("removing what is left: %v", err)
	}
	byHand(t, mac, "/sbin/pfctl -q -n -f /etc/pf.conf 2>/dev/null")
}

// A pf.conf that cannot be replaced leaves everything as it was: rules, calls, and the anchor's file.
func TestApplyConfProtected(t *testing.T) {
	for name, old := range map[string]string{"created": "", "changed": ssh22} {
		t.Run(name, func(t *testing.T) {
			mac, h := start(t)
			if old != "" {
				if _, err := Apply(t.Context(), h, "web", old, Seen{}); err != nil {
					t.Fatal(err)
				}
			}
			planned, before := seen(t, h, "web"), mac.String()
			if err := mac.Files().SetImmutable("/etc/pf.conf", true); err != nil {
				t.Fatal(err)
			}
			if _, err := Apply(t.Context(), h, "web", web, planned); !errors.Is(err, ErrDisk) {
				t.Errorf("got %v", err)
			}
			if err := mac.Files().SetImmutable("/etc/pf.conf", false); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, mac.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A file that lacks its last newline is told, and can be changed and removed like any other.
func TestApplyNoNewline(t *testing.T) {
	mac, h := start(t)
	byHand(t, mac, `printf 'pass in all' >/etc/pf.anchors/x; echo 'pass in all' | /sbin/pfctl -q -a x -f - 2>/dev/null`)
	s, err := Look(t.Context(), h)
	if err != nil || !strings.Contains(strings.Join(s.Drift("x"), "\n"), "last newline") {
		t.Errorf("%v, drift %q", err, s.Drift("x"))
	}
	if s, err = Apply(t.Context(), h, "x", "pass in all", Seen{Exists: true, Text: "pass in all", Loaded: s.Anchor("x").Loaded}); err != nil {
		t.Fatal(err)
	}
	if drift := s.Drift("x"); len(drift) > 0 {
		t.Errorf("drift %q", drift)
	}
}

// The file of an anchor is a file; a symbolic link in its place is not touched.
func TestApplyLink(t *testing.T) {
	mac, h := start(t)
	byHand(t, mac, "ln -s /nowhere /etc/pf.anchors/ssh")
	before := mac.String()
	if _, err := Apply(t.Context(), h, "ssh", ssh22, Seen{}); !errors.Is(err, ErrChanged) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(before, mac.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

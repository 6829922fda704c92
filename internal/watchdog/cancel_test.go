package watchdog

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
)

// A cancelled apply is undone at once, wherever it is; only what was confirmed is kept.
func TestCancelled(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		at   string // the words of the program at which it is cancelled; "" is when no new connection comes through
		kept bool
		why  string
	}{
		"checking":   {at: "change.sh check", why: "lost or asked"}, // that ends before the connection does
		"arming":     {at: "bootstrap", why: "lost or asked"},
		"going":      {at: "go.new", why: "asked"},
		"trying":     {at: "change.sh try", why: "asked"},
		"dialling":   {why: "asked"},
		"confirming": {at: "confirm.new", kept: true},
		"keeping":    {at: "change.sh keep", kept: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mac := macsim.Start(t, macsim.Mac{})
			h := reach(t, mac, 10*time.Minute, 0)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			mac.Watch(func(argv []string, done bool) {
				words := strings.Join(argv, " ")
				switch {
				case done:
				case test.at != "" && strings.Contains(words, test.at):
					cancel()
				case test.at == "" && strings.Contains(words, "change.sh try"):
					mac.RefuseConnections(true)
					time.AfterFunc(time.Second, cancel)
				}
			})
			began := time.Now()
			_, err := Do(ctx, h, swiftPlan)
			mac.RefuseConnections(false)
			if took := time.Since(began); took > time.Minute {
				t.Errorf("it took %v", took)
			}
			var undone *UndoneError
			switch {
			case test.kept && err != nil:
				t.Error(err)
			case !test.kept && !errors.As(err, &undone):
				t.Errorf("got %v", err)
			case !test.kept && (!strings.Contains(test.why, undone.Why) || !errors.Is(err, context.Canceled) || undone.Unconfirmed()):
				t.Errorf("got %+v: %v", undone, err)
			}
			if outcome(t, mac, err) != test.kept {
				t.Errorf("kept: %v", !test.kept)
			}
			settled(t, mac)
		})
	}
}

// Only a connection that the Mac has not seen before may confirm: neither the one that brought the change, nor for the second time the one that
// confirmed it the first time.
func TestOldConnection(t *testing.T) {
	t.Parallel()
	mac, h := start(t, 10*time.Minute, 30*time.Second)
	plan := swiftPlan
	plan.Settles = true
	w := &watch{Host: h, plan: plan, nonce: "x"}
	if err := w.arm(t.Context()); err != nil {
		t.Fatal(err)
	}
	is := func(word, want string, until ...string) {
		t.Helper()
		end, err := w.tell(t.Context(), word, 3*time.Minute, until...)
		if err != nil || end.state != want {
			t.Fatalf("%s: %+v, %v", word, end, err)
		}
	}
	refused := func(word string) {
		t.Helper()
		until(t, mac, "[ ! -e "+w.folder()+"/"+word+" ]") // which is the Mac's answer
	}
	is("go", loaded, armed, trying)
	is("confirm", loaded)
	refused("confirm")
	if err := h.Reconnect(t.Context()); err != nil {
		t.Fatal(err)
	}
	is("confirm", settling, loaded)
	is("settled", settling)
	refused("settled")
	if err := h.Reconnect(t.Context()); err != nil {
		t.Fatal(err)
	}
	is("settled", kept, settling, keeping)
	settled(t, mac)
}

// The Mac undoes what is not confirmed although its clock is set back, so that the deadline is far away.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	mac := macsim.Start(t, macsim.Mac{Second: 300 * time.Millisecond}) // six seconds of ours to be told to go, and to be seen then
	h := reach(t, mac, 20*time.Second, 0)
	w := &watch{Host: h, plan: swiftPlan, nonce: "x"}
	if err := w.arm(t.Context()); err != nil {
		t.Fatal(err)
	}
	if end, err := w.tell(t.Context(), "go", time.Minute, armed, trying); err != nil || end.state != loaded {
		t.Fatalf("%+v, %v", end, err)
	}
	mac.Sleep(-24 * time.Hour)
	until(t, mac, "[ ! -e /private/var/run/word ]")
	until(t, mac, "/usr/bin/grep -q ^undone "+w.folder()+"/state")
	mac.Sleep(2 * time.Minute) // for nobody reads how it ended
	settled(t, mac)
}

// A watchdog that launchd has lost, and that has left a change in force, is brought back by the next apply, and has to undo it first.
func TestForgotten(t *testing.T) {
	t.Parallel()
	mac, h := start(t, 10*time.Minute, 0)
	w := &watch{Host: h, plan: swiftPlan, nonce: "x"}
	if err := w.arm(t.Context()); err != nil {
		t.Fatal(err)
	}
	if end, err := w.tell(t.Context(), "go", time.Minute, armed, trying); err != nil || end.state != loaded {
		t.Fatalf("%+v, %v", end, err)
	}
	// Its program does nothing meanwhile: launchd starts what was killed again.
	lose := `cd /private/var/run/macos-fleet.watchdog.* && /bin/mv watchdog.sh away && : >watchdog.sh && /bin/launchctl kill KILL "system/$1" &&
		/bin/launchctl bootout "system/$1" && /bin/mv away watchdog.sh && /bin/rm /private/var/run/macos-fleet.lock`
	if _, stderr, exit := mac.Run(t.Context(), lose, w.label()); exit != 0 {
		t.Fatal(stderr)
	}
	if got := word(t, mac, "/private/var/run/word"); got != "hello" {
		t.Fatalf("this tests nothing: %q", got)
	}
	began := false
	mac.Watch(func(argv []string, done bool) {
		if !done && strings.HasSuffix(strings.Join(argv, " "), "change.sh try") && !began {
			began = true
			if got, err := mac.Files().Read("/private/var/run/word"); err == nil {
				t.Errorf("the next change begins with the old one still there: %q", got)
			}
		}
	})
	_, err := Do(t.Context(), h, swiftPlan)
	if err != nil || !outcome(t, mac, err) || !began {
		t.Errorf("got %v", err)
	}
	mac.Sleep(2 * time.Minute) // for nobody reads how the first one ended
	settled(t, mac)
}

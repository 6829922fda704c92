package watchdog

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

// letter is a change that anybody can follow: it writes its word to a file that a restart empties, and then to one on disk.
const letter = `
case $1 in
check) [ ! -e /private/etc/refuse ] || { printf 'no thanks\n' >&2; exit 20; } ;;
try) [ ! -e /private/etc/fail.try ] && /bin/cp word /private/var/run/word || exit 25 ;;
keep) [ ! -e /private/etc/fail.keep ] && /bin/cp word /private/etc/word || exit 24 ;;
undo) /bin/rm -f /private/var/run/word && [ ! -e /private/etc/fail.undo ] || exit 26 ;;
esac
`

var plan = Plan{
	Changes: []Change{{Script: letter, Files: map[string][]byte{"word": []byte("hello\n")}}},
	After:   "say after \"$@\"\n/bin/cat /private/etc/word\n", AfterArgs: []string{"a b", "c"},
}

// start returns a Mac, and the same as the provider reaches it.
func start(t *testing.T, confirm, settle time.Duration) (*macsim.Mac, *remote.Host) {
	t.Helper()
	mac := macsim.Start(t, macsim.Mac{})
	return mac, reach(t, mac, confirm, settle)
}

func reach(t *testing.T, mac *macsim.Mac, confirm, settle time.Duration) *remote.Host {
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
		ConfirmTimeout: confirm, SettleTime: settle,
	})
	t.Cleanup(h.Close)
	return h
}

// word is what a file on the Mac holds; "" when there is none.
func word(t *testing.T, mac *macsim.Mac, file string) string {
	t.Helper()
	text, _, _ := mac.Run(t.Context(), "/bin/cat \"$1\" 2>/dev/null", file)
	return strings.TrimSpace(text)
}

// clean reports what of the watchdog is left on the Mac.
func clean(t *testing.T, mac *macsim.Mac) {
	t.Helper()
	left, _, _ := mac.Run(t.Context(), "/bin/ls /private/var/run | /usr/bin/grep macos-fleet; /bin/launchctl list | /usr/bin/grep macos-fleet")
	if left != "" {
		t.Errorf("left on the Mac:\n%s", left)
	}
}

func TestKept(t *testing.T) {
	t.Parallel()
	mac, h := start(t, 10*time.Minute, 0)
	records, err := Do(t.Context(), h, plan)
	if err != nil {
		t.Fatal(err)
	}
	var got []remote.Record
	for _, r := range records {
		if r.Key == "after" {
			got = append(got, r)
		}
	}
	if d := cmp.Diff([]remote.Record{{Key: "after", Args: "a b c", Body: []byte("hello\n")}}, got); d != "" {
		t.Error(d)
	}
	if got := word(t, mac, "/private/var/run/word"); got != "hello" {
		t.Errorf("tried: %q", got)
	}
	clean(t, mac)
}

func TestDirect(t *testing.T) {
	t.Parallel()
	mac, h := start(t, time.Minute, 0)
	direct := plan
	direct.Direct = true
	if _, err := Do(t.Context(), h, direct); err != nil {
		t.Fatal(err)
	}
	if got := word(t, mac, "/private/etc/word"); got != "hello" {
		t.Errorf("kept: %q", got)
	}
	clean(t, mac)
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		files []string
		want  UndoneError
	}{
		"try":   {[]string{"fail.try"}, UndoneError{Host: "mini", Why: "try", Change: 0, Exit: 25}},
		"keep":  {[]string{"fail.keep"}, UndoneError{Host: "mini", Why: "keep", Change: 0, Exit: 24}},
		"stuck": {[]string{"fail.keep", "fail.undo"}, UndoneError{Host: "mini", Why: "keep", Change: 0, Exit: 24, Left: true}},
	} {
		for _, direct := range []bool{false, true} {
			t.Run(name+"-"+strconv.FormatBool(direct), func(t *testing.T) {
				t.Parallel()
				mac, h := start(t, 10*time.Minute, 0)
				for _, f := range test.files {
					if err := mac.Files().Write("/private/etc/"+f, ""); err != nil {
						t.Fatal(err)
					}
				}
				p := plan
				p.Direct = direct
				_, err := Do(t.Context(), h, p)
				var undone *UndoneError
				if !errors.As(err, &undone) {
					t.Fatal(err)
				}
				if d := cmp.Diff(test.want, *undone); d != "" {
					t.Error(d)
				}
				if got := word(t, mac, "/private/var/run/word"); got != "" {
					t.Errorf("tried: %q", got)
				}
				clean(t, mac)
			})
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	mac, h := start(t, time.Minute, 0)
	if err := mac.Files().Write("/private/etc/refuse", ""); err != nil {
		t.Fatal(err)
	}
	_, err := Do(t.Context(), h, plan)
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Change != 0 || refused.Exit != 20 || !strings.Contains(err.Error(), "no thanks") {
		t.Errorf("got %v", err)
	}
	clean(t, mac)
}

func TestSettles(t *testing.T) {
	t.Parallel()
	mac, h := start(t, 10*time.Minute, time.Second)
	var mu sync.Mutex
	var confirmed []string
	mac.Watch(func(argv []string, done bool) {
		mu.Lock()
		defer mu.Unlock()
		for _, word := range []string{"confirm", "settled"} {
			if done && argv[0] == "/bin/mv" && strings.HasSuffix(argv[len(argv)-1], "/"+word) {
				confirmed = append(confirmed, word)
			}
		}
	})
	p := plan
	p.Settles = true
	if _, err := Do(t.Context(), h, p); err != nil {
		t.Fatal(err)
	}
	mac.Watch(nil)
	mu.Lock()
	defer mu.Unlock()
	if d := cmp.Diff([]string{"confirm", "settled"}, confirmed); d != "" {
		t.Error(d)
	}
	if got := word(t, mac, "/private/etc/word"); got != "hello" {
		t.Errorf("kept: %q", got)
	}
	clean(t, mac)
}

// TestUnconfirmed has the Mac refuse new connections from when the change is in force; then the connection over which the
// change came breaks, too.
func TestUnconfirmed(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]bool{"refused": false, "cut": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// The Mac gives three seconds of nine, in which it is told to go and then waits; the client gives up after less than three.
			mac := macsim.Start(t, macsim.Mac{Second: 3 * time.Second})
			h := reach(t, mac, 3*time.Second, 0)
			release, takenBack := mac.Hold("cp"), make(chan struct{})
			tell := sync.OnceFunc(func() { close(takenBack) })
			mac.Watch(func(argv []string, done bool) {
				if done && strings.Join(argv, " ") == "/bin/sh change.sh undo" {
					tell()
				}
			})
			done := make(chan error, 1)
			go func() { _, err := Do(t.Context(), h, plan); done <- err }()
			mac.Await("cp")
			mac.RefuseConnections(true)
			if cut {
				mac.CutConnections()
			}
			release()
			if cut {
				select {
				case <-takenBack:
				case err := <-done: // which is too early
					done <- err
				}
				mac.RefuseConnections(false)
			}
			err := <-done
			var undone *UndoneError
			if !errors.As(err, &undone) || !undone.Unconfirmed() || undone.Left || undone.Err == nil {
				t.Fatal(err)
			}
			if got := word(t, mac, "/private/var/run/word") + word(t, mac, "/private/etc/word"); got != "" {
				t.Errorf("left: %q", got)
			}
			clean(t, mac)
		})
	}
}

// A change may cut the connection over which it was confirmed while it is kept. How it ended is known all the same.
func TestCutWhileKeeping(t *testing.T) {
	t.Parallel()
	mac, h := start(t, 10*time.Minute, 0)
	mac.Fail(func(argv []string) *macsim.Failure {
		if argv[0] == "/bin/cp" && argv[2] == "/private/etc/word" {
			mac.CutConnections()
		}
		return nil
	})
	if _, err := Do(t.Context(), h, plan); err != nil {
		t.Error(err)
	}
	if got := word(t, mac, "/private/etc/word"); got != "hello" {
		t.Errorf("kept: %q", got)
	}
	clean(t, mac)
}

// A change that waits for something on the Mac is waited for.
func TestTakes(t *testing.T) {
	t.Parallel()
	mac := macsim.Start(t, macsim.Mac{})
	h := reach(t, mac, 8*time.Second, 0)
	p := plan
	p.Changes = []Change{{Script: "[ $1 != try ] || /bin/sleep 6\n" + letter, Files: plan.Changes[0].Files}}
	p.Takes = 10 * time.Second
	if _, err := Do(t.Context(), h, p); err != nil {
		t.Error(err)
	}
	clean(t, mac)
}

// until waits until a condition holds on the Mac.
func until(t *testing.T, mac *macsim.Mac, condition string) {
	t.Helper()
	if _, stderr, exit := mac.Run(t.Context(), "until "+condition+"; do /bin/sleep 0.01; done"); exit != 0 {
		t.Fatal(stderr)
	}
}

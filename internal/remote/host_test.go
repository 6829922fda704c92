package remote_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

// target reaches a simulated Mac.
func target(t *testing.T, mac *macsim.Mac) remote.Target {
	t.Helper()
	address, port, err := net.SplitHostPort(mac.Addr())
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return remote.Target{
		Name: "mini", Address: address, Port: n, User: "admin", PrivateKey: mac.ClientKey(),
		HostKey: string(ssh.MarshalAuthorizedKey(mac.HostKey())), ConfigFile: "none",
	}
}

func host(t *testing.T, mac *macsim.Mac) *remote.Host {
	t.Helper()
	h := remote.NewHost(target(t, mac))
	t.Cleanup(h.Close)
	return h
}

func start(t *testing.T) *macsim.Mac {
	t.Helper()
	return macsim.Start(t, macsim.Mac{})
}

// What goes in comes out: arguments and files with any bytes, records, status, stderr; as root.
func TestRun(t *testing.T) {
	h := host(t, start(t))
	const hostile = "a'b; rm -rf /; $(x) `y` \\ \"\n\n"
	result, err := h.Run(t.Context(), remote.Cmd{
		Script: `say args "$#"
printf %s "$1"
say file
/bin/cat "$D/data"
say user
/usr/bin/id -un
printf 'trouble\n' >&2
exit 3`,
		Args:  []string{hostile, "", "é"},
		Files: map[string][]byte{"data": []byte("one\x00two\xff\n\n")},
	})
	var exit *remote.ExitError
	if !errors.As(err, &exit) || exit.Exit != 3 || strings.TrimSpace(exit.Stderr) != "trouble" {
		t.Fatalf("error %v", err)
	}
	want := []remote.Record{
		{Key: "args", Args: "3", Body: []byte(hostile)},
		{Key: "file", Body: []byte("one\x00two\xff\n\n")},
		{Key: "user", Body: []byte("root\n")},
	}
	for i, w := range want {
		if i >= len(result.Records) || result.Records[i].Key != w.Key || string(result.Records[i].Body) != string(w.Body) {
			t.Errorf("record %d of %q, want %q", i, result.Records, w)
		}
	}
	// The next script finds nothing of the last.
	result, err = h.Run(t.Context(), remote.Cmd{Script: `say left "$# $D"; /bin/ls -A /private/var/run`})
	if err != nil || strings.TrimSpace(result.Records[0].Args) != "0" || strings.Contains(string(result.Records[0].Body), "macos-fleet") {
		t.Errorf("left over: %q, %v", result.Records, err)
	}
}

// One login serves everything, however many ask at once.
func TestRunShares(t *testing.T) {
	mac := start(t)
	h := host(t, mac)
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			if _, err := h.Run(t.Context(), remote.Cmd{Script: "say hello"}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	logins := 0
	for _, c := range mac.Calls() {
		if c.Argv[0] == "/usr/bin/uname" {
			logins++
		}
	}
	if logins != 1 {
		t.Errorf("%d logins", logins)
	}
}

// A connection that died in between is made anew; one that dies under a script makes its outcome unknown, and the script
// is not sent again.
func TestRunLost(t *testing.T) {
	mac := start(t)
	h := host(t, mac)
	if _, err := h.Run(t.Context(), remote.Cmd{Script: "say hello"}); err != nil {
		t.Fatal(err)
	}
	mac.CutConnections()
	h.AwaitGone()
	if _, err := h.Run(t.Context(), remote.Cmd{Script: "say hello"}); err != nil {
		t.Errorf("after a cut in between: %v", err)
	}

	var runs atomic.Int32
	mac.Fail(func(argv []string) *macsim.Failure {
		if argv[0] != "/usr/bin/true" {
			return nil
		}
		runs.Add(1)
		return &macsim.Failure{Cut: macsim.CutAfter}
	})
	_, err := h.Run(t.Context(), remote.Cmd{Script: "/usr/bin/true\nsay done"})
	var lost *remote.LostError
	if !errors.As(err, &lost) || runs.Load() != 1 {
		t.Errorf("got %v after %d runs, want LostError after 1", err, runs.Load())
	}
	mac.Fail(nil)
	if _, err := h.Run(t.Context(), remote.Cmd{Script: "say hello"}); err != nil {
		t.Errorf("after a cut under a script: %v", err)
	}
}

// A script that takes too long is left alone, with an error, and the Mac stays usable.
func TestRunTimeout(t *testing.T) {
	mac := start(t)
	to := target(t, mac)
	to.CommandTimeout = 50 * time.Millisecond
	h := new(remote.Fleet).Host(to)
	t.Cleanup(h.Close)
	h.Need()
	h.AwaitConnected()
	release := mac.Hold("true")
	_, err := h.Run(t.Context(), remote.Cmd{Script: "/usr/bin/true"})
	var lost *remote.LostError
	const want = "mini: no answer within the command timeout of 50ms; what was started goes on there"
	if !errors.As(err, &lost) || !errors.Is(err, context.DeadlineExceeded) || err.Error() != want {
		t.Errorf("got %v", err)
	}
	release()
	if err := h.Reconnect(t.Context()); err != nil { // which shows that the Mac answers again
		t.Fatal(err)
	}

	// What is known to take longer has longer.
	release = mac.Hold("false")
	go func() {
		mac.Await("false")
		time.AfterFunc(2*to.CommandTimeout, release)
	}()
	_, err = h.Run(t.Context(), remote.Cmd{Script: "/usr/bin/false", Takes: time.Minute})
	var exit *remote.ExitError
	if !errors.As(err, &exit) || exit.Exit != 1 {
		t.Errorf("got %v", err)
	}
}

// What is cancelled before it was sent does not run.
func TestRunCancelled(t *testing.T) {
	mac := start(t)
	h := host(t, mac)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Run(ctx, remote.Cmd{Script: "say hello"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if len(mac.Calls()) > 0 {
		t.Errorf("it ran: %v", mac.Calls())
	}
}

// Two machines write one after the other; readers do not wait.
func TestRunWritesAlone(t *testing.T) {
	mac := start(t)
	one, two, reader := host(t, mac), host(t, mac), host(t, mac)
	release := mac.Hold("true")
	var links atomic.Int32
	tried := make(chan struct{})
	mac.Watch(func(argv []string, done bool) {
		if argv[0] == "/bin/ln" && done && links.Add(1) == 2 { // the first took the lock
			close(tried)
		}
	})
	done := make(chan error, 2)
	go func() {
		_, err := one.Run(t.Context(), remote.Cmd{Script: "/usr/bin/true\n/usr/bin/touch /private/tmp/one", Writes: true})
		done <- err
	}()
	mac.Await("true")
	go func() {
		_, err := two.Run(t.Context(), remote.Cmd{Script: "/bin/cat /private/tmp/one || exit 9", Writes: true})
		done <- err
	}()
	if _, err := reader.Run(t.Context(), remote.Cmd{Script: "say hello"}); err != nil {
		t.Error(err)
	}
	<-tried
	release()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// Who waits too long for another machine's apply is told whose it is; a lock that has run out is nobody's.
func TestRunBusy(t *testing.T) {
	mac := start(t)
	to := target(t, mac)
	to.CommandTimeout = 100 * time.Millisecond
	h := remote.NewHost(to)
	t.Cleanup(h.Close)
	lock := func(script string) {
		if _, stderr, exit := mac.Run(t.Context(), script+" /private/var/run/macos-fleet.lock"); exit != 0 {
			t.Fatal(stderr)
		}
	}
	lock("/bin/ln -s '9999999999 eve from 100.64.0.9 50000'")
	write := remote.Cmd{Script: "say hello", Writes: true, Takes: time.Minute} // but nobody waits that long for others
	_, err := h.Run(t.Context(), write)
	var busy *remote.BusyError
	if !errors.As(err, &busy) || busy.Holder != "eve from 100.64.0.9" {
		t.Errorf("got %v", err)
	}

	// Who gives up before did not wait that long.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var tries atomic.Int32
	mac.Watch(func(argv []string, done bool) {
		if argv[0] == "/bin/ln" && done && tries.Add(1) == 2 {
			cancel()
		}
	})
	_, err = host(t, mac).Run(ctx, write)
	mac.Watch(nil)
	if errors.As(err, &busy) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}

	lock("/bin/rm")
	lock("/bin/ln -s '1000 eve from 100.64.0.9 50000'")
	if _, err := h.Run(t.Context(), write); err != nil {
		t.Errorf("a lock that has run out: %v", err)
	}
}

// A lock that is let go between the attempt to take it and the look at whose it is.
func TestRunLetGo(t *testing.T) {
	mac := start(t)
	h := host(t, mac)
	run := func(script string) {
		if _, stderr, exit := mac.Run(context.Background(), script); exit != 0 {
			t.Error(stderr)
		}
	}
	run("/bin/ln -s '9999999999 eve from 100.64.0.9 50000' /private/var/run/macos-fleet.lock")
	var once sync.Once
	mac.Watch(func(argv []string, done bool) {
		if argv[0] == "/bin/ln" && done {
			once.Do(func() { run("/bin/rm /private/var/run/macos-fleet.lock") })
		}
	})
	if _, err := h.Run(t.Context(), remote.Cmd{Script: "say hello", Writes: true}); err != nil {
		t.Error(err)
	}
}

// A full disk stops a script that has files before it starts.
func TestRunDiskFull(t *testing.T) {
	mac := start(t)
	h := host(t, mac)
	mac.Files().Fill("/", 10)
	_, err := h.Run(t.Context(), remote.Cmd{Script: "/usr/bin/true", Files: map[string][]byte{"f": make([]byte, 1000)}})
	var exit *remote.ExitError
	if !errors.As(err, &exit) || exit.Exit != 73 {
		t.Errorf("got %v", err)
	}
	for _, c := range mac.Calls() {
		if c.Argv[0] == "/usr/bin/true" {
			t.Error("the script ran")
		}
	}
}

// A Mac that is away costs its connect timeout once, not once for each script.
func TestDialFailsOnce(t *testing.T) {
	mac := start(t)
	to := target(t, mac)
	to.ConnectTimeout = 500 * time.Millisecond
	mac.RefuseConnections(true)
	h := remote.NewHost(to)
	t.Cleanup(h.Close)
	_, first := h.Run(t.Context(), remote.Cmd{Script: "say hello"})
	_, second := h.Run(t.Context(), remote.Cmd{Script: "say hello"})
	var dial *remote.DialError
	if !errors.As(first, &dial) || dial.Stage != remote.StageTCP || !errors.Is(second, first) { // the very same: it was not dialled again
		t.Errorf("got %v, then %v", first, second)
	}
}

// A sudo that takes the password and never answers is told as such.
func TestDialSudoHangs(t *testing.T) {
	t.Parallel()
	mac := macsim.Start(t, macsim.Mac{Sudo: macsim.SudoPassword, Password: "secret"})
	mac.Watch(func(argv []string, done bool) {
		if !done && slices.Contains(argv, "-S") {
			<-t.Context().Done()
		}
	})
	to := target(t, mac)
	to.Password, to.SudoPassword, to.ConnectTimeout = "secret", "secret", 5*time.Second
	err := hello(t, to)
	var dial *remote.DialError
	if !errors.As(err, &dial) || dial.Stage != remote.StageSudo || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

package watchdog

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
)

// swift is a change that needs no room on the disk once it was checked.
const swift = `
case $1 in
check) spare word && /bin/cp word now ;;
try) /bin/mv now /private/var/run/word ;;
keep) place word /private/etc/word ;;
undo)
	[ ! -e /private/etc/word ] || /bin/rm /private/etc/word || exit 26
	[ ! -e /private/var/run/word ] || /bin/rm /private/var/run/word || exit 26
	;;
esac
`

var swiftPlan = Plan{Changes: []Change{{Script: swift, Files: map[string][]byte{"word": []byte("hello\n")}}}}

// outcome checks that a Mac has all of a change, or nothing, as the error says, and says which.
func outcome(t *testing.T, mac *macsim.Mac, err error) (kept bool) {
	t.Helper()
	now, disk := word(t, mac, "/private/var/run/word"), word(t, mac, "/private/etc/word")
	var undone *UndoneError
	switch {
	case err == nil && (now != "hello" || disk != "hello"):
		t.Errorf("it was done, and there is %q, on disk %q", now, disk)
	case errors.As(err, &undone) && (now != "" || disk != "" || undone.Left):
		t.Errorf("%v, and there is %q, on disk %q", err, now, disk)
	case now != disk:
		t.Errorf("%v, and there is %q, on disk %q", err, now, disk)
	}
	return disk != ""
}

// everywhere makes a swift change on a new Mac for each program that starts there from when a watchdog is asked for, has fault called right
// before that program, and then then, with what Do returned.
func everywhere(t *testing.T, second, confirm time.Duration, fault func(mac *macsim.Mac, n int), then func(t *testing.T, mac *macsim.Mac, n int, err error)) {
	t.Helper()
	run := func(n int) (programs int) {
		mac, err := macsim.New(macsim.Mac{Second: second})
		if err == nil {
			defer mac.Close()
			err = mac.Listen("127.0.0.1:0")
		}
		if err != nil {
			t.Error(err)
			return 0
		}
		var mu sync.Mutex
		armed, count := false, 0
		mac.Watch(func(argv []string, done bool) {
			mu.Lock()
			if armed = armed || argv[0] == "/bin/launchctl"; armed && !done {
				count++
			}
			now := armed && !done && count == n
			mu.Unlock()
			if now {
				fault(mac, n)
			}
		})
		h := reach(t, mac, confirm, 0)
		_, err = Do(t.Context(), h, swiftPlan)
		mu.Lock()
		programs = count
		mu.Unlock()
		then(t, mac, n, err)
		return programs
	}
	last := run(0)
	var work sync.WaitGroup
	slots := make(chan struct{}, 32)
	for n := 1; n <= last; n++ {
		slots <- struct{}{}
		work.Go(func() {
			run(n)
			<-slots
		})
	}
	work.Wait()
}

// faults skips a test that takes hundreds of Macs with fast clocks, one for each step, unless it is asked for: a machine that does other
// things as well is too slow for those clocks.
func faults(t *testing.T) {
	t.Helper()
	if os.Getenv("SWEEP") != "all" {
		t.Skip("set SWEEP=all to have something go wrong at every step")
	}
}

// settled waits until nothing of a watchdog is on the Mac any more.
func settled(t *testing.T, mac *macsim.Mac) {
	t.Helper()
	const left = `$(/bin/ls /private/var/run | /usr/bin/grep macos-fleet; /bin/launchctl list | /usr/bin/grep macos-fleet)`
	if said, _, exit := mac.Run(t.Context(), `n=0; while left=`+left+` && [ -n "$left" ]; do
	n=$((n + 1)); [ "$n" -lt 1200 ] || { printf %s "$left"; exit 1; }; /bin/sleep 0.1; done`); exit != 0 {
		t.Errorf("left on the Mac: %s", said)
	}
}

// Whenever the disk becomes full, the Mac has all of the change or nothing of it.
func TestDiskFull(t *testing.T) {
	faults(t)
	t.Parallel()
	kept := make(chan bool, 1000)
	everywhere(t, 20*time.Millisecond, 100*time.Second, func(mac *macsim.Mac, _ int) { mac.Files().Fill("/", 0) }, func(t *testing.T, mac *macsim.Mac, n int, err error) {
		settled(t, mac)
		mac.Files().Free()
		kept <- outcome(t, mac, err)
		if lost := new(LostError); errors.As(err, &lost) {
			t.Errorf("the disk was full from program %d on: %v", n, err)
		}
		if t.Failed() {
			t.Logf("the disk was full from program %d on: %v", n, err)
		}
	})
	close(kept)
	count := map[bool]int{}
	for k := range kept {
		count[k]++
	}
	t.Logf("kept %d times, undone %d times", count[true], count[false])
	if count[true] == 0 || count[false] == 0 {
		t.Error("this tests nothing")
	}
}

// job is the label of the watchdog that a Mac has.
func job(mac *macsim.Mac) string {
	for line := range strings.Lines(mac.String()) {
		if label, _, ok := strings.Cut(strings.TrimSpace(line), ", loaded from "); ok && strings.Contains(label, "watchdog") {
			return label
		}
	}
	return ""
}

// Whenever the watchdog is killed, launchd starts it again, and it goes on where it was.
func TestKilled(t *testing.T) {
	faults(t)
	t.Parallel()
	kill := func(mac *macsim.Mac, _ int) {
		mac.Run(context.Background(), `/bin/launchctl kill KILL "system/$1"`, job(mac))
	}
	everywhere(t, 50*time.Millisecond, 10*time.Minute, kill, func(t *testing.T, mac *macsim.Mac, n int, err error) {
		settled(t, mac)
		outcome(t, mac, err)
		var lost *LostError
		if errors.As(err, &lost) || t.Failed() {
			t.Errorf("killed at program %d: %v", n, err)
		}
	})
}

// Whenever somebody boots the watchdog out, it undoes the change, unless that is kept already.
func TestStopped(t *testing.T) {
	faults(t)
	t.Parallel()
	stop := func(mac *macsim.Mac, _ int) {
		mac.Run(context.Background(), `/bin/launchctl bootout "system/$1"`, job(mac))
	}
	everywhere(t, 20*time.Millisecond, 10*time.Minute, stop, func(t *testing.T, mac *macsim.Mac, n int, err error) {
		settled(t, mac)
		outcome(t, mac, err)
		if t.Failed() {
			t.Errorf("booted out at program %d: %v", n, err)
		}
	})
}

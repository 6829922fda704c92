package remote_test

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

// logins counts how often somebody logged in.
func logins(mac *macsim.Mac) int { return calls(mac, "/usr/bin/uname") }

// A plan for one Mac logs in to no other. With each further one that is needed, another is dialled before its turn comes.
func TestFleetDialsAhead(t *testing.T) {
	t.Parallel()
	mac := start(t)
	fleet, all := new(remote.Fleet), []*remote.Host{}
	for range 9 {
		h := fleet.Host(target(t, mac))
		t.Cleanup(h.Close)
		all = append(all, h)
	}
	started := func(want int) {
		t.Helper()
		if got := len(fleet.Started()); got != want {
			t.Errorf("%d Macs are dialled, want %d", got, want)
		}
	}
	all[8].Need()
	all[8].Need()
	started(1)
	all[8].AwaitConnected()
	all[0].Need()
	started(4)
	all[1].Need() // was dialled ahead
	started(6)
	all[7].Need()
	started(8)
	all[2].Need()
	all[3].Need()
	started(9)
	for _, h := range fleet.Started() {
		h.AwaitConnected()
		if _, err := h.Run(t.Context(), remote.Cmd{Script: "say hello"}); err != nil {
			t.Error(err)
		}
	}
	if n := logins(mac); n != 9 {
		t.Errorf("%d logins", n)
	}
}

// Macs that are away hold up nobody but themselves: once as many are needed as Terraform asks for at a time, all others are dialled.
func TestFleetHurries(t *testing.T) {
	t.Parallel()
	mac := start(t)
	release := mac.Hold("uname") // which ends the dialling
	defer release()
	fleet, all := new(remote.Fleet), []*remote.Host{}
	for range 40 {
		to := target(t, mac)
		to.ConnectTimeout = patience
		h := fleet.Host(to)
		t.Cleanup(h.Close)
		all = append(all, h)
	}
	for _, h := range all[:10] {
		h.Need()
	}
	for len(fleet.Started()) < len(all) {
		runtime.Gosched()
	}
	release()
	for _, h := range all {
		h.AwaitConnected()
	}
}

// What one Mac is asked, all are asked that are dialled, now or later, so that the answer is there when its turn comes.
func TestFleetAsksAhead(t *testing.T) {
	t.Parallel()
	var fleet remote.Fleet
	var macs []*macsim.Mac
	var hosts []*remote.Host
	for range 4 {
		mac := start(t)
		h := fleet.Host(target(t, mac))
		t.Cleanup(h.Close)
		macs, hosts = append(macs, mac), append(hosts, h)
	}
	var asked atomic.Int32
	question := func(ctx context.Context, h *remote.Host) (int, error) {
		_, err := h.Run(ctx, remote.Cmd{Script: "/usr/bin/true"})
		return int(asked.Add(1)), err
	}
	ask := func(h *remote.Host) {
		t.Helper()
		h.Need()
		if _, err := remote.AskAhead(t.Context(), h, "n", question); err != nil {
			t.Error(err)
		}
	}
	releases := []func(){macs[1].Hold("true"), macs[2].Hold("true"), macs[3].Hold("true")}
	hosts[0].Need()
	hosts[1].Need() // and the other two are dialled ahead
	ask(hosts[0])
	for i, release := range releases {
		macs[i+1].Await("true")
		release()
	}
	for _, h := range hosts {
		ask(h)
	}
	if n := asked.Load(); n != 4 {
		t.Errorf("4 Macs were asked %d times", n)
	}
}

// What is foreseen is asked with all else that waits, but after what somebody waits for.
func TestForesee(t *testing.T) {
	t.Parallel()
	mac, fleet := start(t), new(remote.Fleet)
	h := fleet.Host(target(t, mac))
	t.Cleanup(h.Close)
	release := mac.Hold("true")
	var all sync.WaitGroup
	all.Go(func() { _, _ = h.Run(t.Context(), remote.Cmd{Script: "/usr/bin/true"}) })
	mac.Await("true")
	mac.ForgetCalls()

	programs := []string{"/bin/date", "/bin/hostname", "/usr/bin/id"}
	question := func(n int) func(context.Context, *remote.Host) (int, error) {
		return func(ctx context.Context, h *remote.Host) (int, error) {
			_, err := h.Run(ctx, remote.Cmd{Script: programs[n]})
			return n, err
		}
	}
	h.Need()
	for i := range programs {
		remote.Foresee(fleet, programs[i], question(i))
		h.AwaitReadings(i + 1)
	}
	remote.Foresee(fleet, programs[2], question(2)) // once more is not twice
	asked := make(chan struct{})
	all.Go(func() {
		got, err := remote.AskAhead(t.Context(), h, programs[1], question(1))
		if got != 1 || err != nil {
			t.Errorf("got %d, %v", got, err)
		}
		close(asked)
	})
	h.AwaitWanted(1)
	release()
	<-asked
	for i := range programs {
		if got, err := remote.AskAhead(t.Context(), h, programs[i], question(i)); got != i || err != nil {
			t.Errorf("got %d, %v", got, err)
		}
	}
	all.Wait()
	var ran []string
	for _, c := range mac.Calls() {
		if slices.Contains(programs, c.Argv[0]) {
			ran = append(ran, c.Argv[0])
		}
	}
	if want := []string{"/bin/hostname", "/bin/date", "/usr/bin/id"}; !slices.Equal(ran, want) {
		t.Errorf("the Mac ran %v, want %v", ran, want)
	}
}

// What a server says before the login is passed on while the login waits.
func TestFleetSaid(t *testing.T) {
	t.Parallel()
	mac := macsim.Start(t, macsim.Mac{Banner: "visit\x1b https://login.example/a\n"})
	said := make(chan string, 1)
	fleet := remote.Fleet{Said: func(mac, banner string) { said <- mac + ": " + banner }}
	h := fleet.Host(target(t, mac))
	t.Cleanup(h.Close)
	if _, err := h.Run(t.Context(), remote.Cmd{Script: "say hello"}); err != nil {
		t.Error(err)
	}
	if got := <-said; got != "mini: visit https://login.example/a\n" {
		t.Errorf("got %q", got)
	}
}

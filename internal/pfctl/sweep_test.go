package pfctl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/watchdog"
)

// sweepVar selects cases of TestSweep: "all" of them, every seventh ("thinned"), or those whose name contains it. `make sweep` sets it.
const sweepVar = "SWEEP"

// sweepWindow is within which time the Mac of a trial wants a confirmation. Once nobody is there to give it, the Mac is put to sleep for as
// long, so that nobody has to wait for the deadline. Where the rules cut off whoever makes the change, everybody waits for it: the client
// gives up after five sixths of that time, and the Mac up to a second before it is over, so that it is always the client who is first.
const (
	sweepWindow  = 30 * time.Second
	cutOffWindow = 9 * time.Second
)

// A sweep is one change, at each of whose steps something happens.
type sweep struct {
	name    string
	arrange string // what a hand does to the Mac before
	errand  errand
	shuts   bool // the rules cut off whoever makes the change while pf is enabled, so that only the old state is right

	steps    []moment
	parcels  int // how many the client sends
	old, new phase
	late     phase // the change was made after a restart, which leaves pf disabled
}

// A phase is a Mac as text: as it is, after a restart, and after the same change was made again then.
type phase struct{ now, booted, again string }

const pfOn = "/sbin/pfctl -q -E 2>/dev/null\n"

// holding is a script that makes a Mac hold the rules as anchor ssh.
func holding(rules string) string {
	conf := Conf(stock).With("ssh", FileOf("ssh"), []string{"anchor"})
	return fmt.Sprintf("printf %%s '%s' >/etc/pf.anchors/ssh\nprintf %%s '%s' >/etc/pf.conf\n/sbin/pfctl -q -f /etc/pf.conf 2>/dev/null\n"+
		"/sbin/pfctl -q -o none -a ssh -f /etc/pf.anchors/ssh 2>/dev/null\n", rules, conf)
}

func sweeps() []*sweep {
	table := func(net, rest string) string {
		return "table <office> { " + net + " }\npass in proto tcp from <office> to any port 22\npass in proto tcp from 100.64.0.0/10 to any port 22\n" + rest
	}
	const walled = "block in quick proto tcp from any to any port 22\n"
	old, added := table("10.0.0.0/8", ""), table("192.0.2.0/24", "block in proto tcp from 198.51.100.0/24 to any\n")
	loaded := []string{
		"pass in proto tcp from <office> to any port = 22 flags S/SA keep state",
		"pass in inet proto tcp from 100.64.0.0/10 to any port = 22 flags S/SA keep state",
	}
	seen := Seen{Exists: true, Text: old, Loaded: loaded}
	return []*sweep{
		{name: "new-anchor", arrange: pfOn, errand: errand{Name: "web", Rules: web}},
		{name: "table", arrange: holding(old) + pfOn, errand: errand{Name: "ssh", Rules: added, Seen: seen}},
		{name: "enable", arrange: holding(old), errand: errand{}},
		{name: "removal", arrange: holding(old) + pfOn, errand: errand{Name: "ssh", Remove: true, Seen: seen}},
		{name: "cut-off", arrange: holding(old) + pfOn, shuts: true, errand: errand{Name: "ssh", Rules: walled, Seen: seen}},
		// Enabling pf cuts off the open connection as well, since it has no state.
		{name: "cut-dead", arrange: holding(walled), shuts: true, errand: errand{}},
	}
}

// A moment is a step: a program that starts on the Mac: the occurrence-th of these words. How often somebody polls is another matter each
// time, so of the polls the first two are steps.
type moment struct {
	words      string
	occurrence int
}

func (s moment) String() string { return fmt.Sprintf("%s (%d)", s.words, s.occurrence) }

// unique are parts of words that are others each time.
var unique = regexp.MustCompile(`\b[0-9]{10,}\b|127\.0\.0\.1 \d+|100\.64\.0\.7 \d+|macos-fleet\.watchdog\.\w+|macos-fleet\.\w{6}\b|macos-fleet\.lock\.@?\w+|\b\d+ 0$`)

// stepper numbers the programs of one run.
type stepper struct {
	mu     sync.Mutex
	counts map[string]int
}

func (s *stepper) next(argv []string) moment {
	words := strings.ReplaceAll(unique.ReplaceAllString(strings.Join(argv, " "), "*"), "\n", ";")
	if len(words) > 90 {
		words = words[:90]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts == nil {
		s.counts = map[string]int{}
	}
	s.counts[words]++
	return moment{words, s.counts[words]}
}

// total is how many programs there were.
func (s *stepper) total() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, count := range s.counts {
		n += count
	}
	return n
}

// polls are words that are given again and again.
func (s moment) polls() bool {
	return strings.HasPrefix(s.words, "/bin/sleep") || strings.HasPrefix(s.words, "/bin/date") || strings.Contains(s.words, "launchctl print")
}

// mac is a Mac before the change.
func (s *sweep) mac() (*macsim.Mac, error) {
	mac, err := behind(macsim.Mac{})
	if err == nil {
		err = script(mac, s.arrange+":")
	}
	return mac, err
}

// token is the content of a file that is another each time.
var token = regexp.MustCompile(`(pf\.token [^\n]*\n\t)\d+`)

func textOf(mac *macsim.Mac) string { return token.ReplaceAllString(mac.String(), "${1}N") }

// learn does the change undisturbed, and notes its steps and what the Mac looks like before and after.
func (s *sweep) learn(ctx context.Context) error {
	for _, done := range []bool{false, true} {
		mac, err := s.mac()
		if err != nil {
			return err
		}
		defer mac.Close()
		errand := s.errand.to(mac, mac.Addr())
		var p *phase
		if p = &s.old; done {
			p = &s.new
			var run stepper
			mac.Watch(func(argv []string, over bool) {
				if over {
					return
				}
				if next := run.next(argv); !next.polls() || next.occurrence <= 2 {
					run.mu.Lock()
					s.steps = append(s.steps, next)
					run.mu.Unlock()
				}
			})
			sent := 0
			line, err := newTap(mac.Addr(), func(done bool) bool {
				run.mu.Lock()
				defer run.mu.Unlock()
				if done {
					sent++
				}
				return true
			})
			if err != nil {
				return err
			}
			defer line.close()
			if err := s.make(ctx, s.errand.to(mac, line.address())); err != nil {
				return err
			}
			mac.Watch(nil)
			s.parcels = sent
		}
		p.now = textOf(mac)
		mac.Reboot()
		p.booted = textOf(mac)
		if err := s.make(ctx, errand); err != nil {
			return fmt.Errorf("after a restart: %w", err)
		}
		p.again = textOf(mac)
		if !done {
			s.late.now = p.again
			mac.Reboot()
			s.late.booted = textOf(mac)
			if err := s.make(ctx, errand); err != nil {
				return fmt.Errorf("after two restarts: %w", err)
			}
			s.late.again = textOf(mac)
		}
	}
	if s.shuts != (s.old == s.new) {
		return fmt.Errorf("before and after, -before +after:\n%s", cmp.Diff(s.old, s.new))
	}
	return nil
}

// make does the errand. If its rules cut off whoever makes the change, it may also be undone.
func (s *sweep) make(ctx context.Context, e errand) error {
	e.Confirm = s.window()
	var undone *watchdog.UndoneError
	if err := e.run(ctx); err != nil && (!s.shuts || !errors.As(err, &undone)) {
		return err
	}
	return nil
}

func (s *sweep) window() time.Duration {
	if s.shuts {
		return cutOffWindow
	}
	return sweepWindow
}

// A disturbance is what happens at a step.
type disturbance struct {
	name  string
	after bool // right after the step, else right before it
	kills bool // the client, which is a process of its own then
	cuts  bool // the network, until everything else has been looked at
	boots bool // the Mac
}

var disturbances = []disturbance{
	{name: "kill-before", kills: true},
	{name: "kill-after", kills: true, after: true},
	{name: "cut", cuts: true},
	{name: "reboot", boots: true},
}

// A trial is one case: a change with a disturbance at a step, or at a parcel that the client sends.
type trial struct {
	*sweep
	disturbance
	number int
	step   moment
	parcel bool // number is that of a parcel
}

func (c trial) name() string {
	if c.parcel {
		return fmt.Sprintf("%s/%s-sending/%d", c.sweep.name, c.disturbance.name, c.number)
	}
	return fmt.Sprintf("%s/%s/%d", c.sweep.name, c.disturbance.name, c.number)
}

func (c trial) what() string {
	if c.parcel {
		return "the client sends"
	}
	return c.step.String()
}

// A verdict is what became of a trial.
type verdict struct {
	hit     bool   // whether the step came
	outcome string // for the table
	wrong   []string
}

func (v *verdict) expect(ok bool, format string, args ...any) bool {
	if !ok {
		v.wrong = append(v.wrong, fmt.Sprintf(format, args...))
	}
	return ok
}

// run runs a trial. What it finds out about the Mac afterwards it finds out over new connections, or at the Mac itself.
func (c trial) run(ctx context.Context) (v verdict) {
	mac, err := c.mac()
	if !v.expect(err == nil, "%v", err) {
		return v
	}
	defer mac.Close()

	var process *client
	ready := make(chan struct{})                          // closed when process is set
	hit, done := make(chan struct{}), make(chan struct{}) // closed when it strikes, and when it has
	strike := sync.OnceFunc(func() {
		<-ready
		close(hit)
		defer close(done)
		switch {
		case c.kills:
			process.kill()
		case c.cuts:
			mac.Unplug()
		case c.boots:
			mac.Reboot()
		}
	})
	var mu sync.Mutex
	parcels := 0
	line, err := newTap(mac.Addr(), func(done bool) bool {
		mu.Lock()
		if !done {
			parcels++
		}
		now := c.parcel && done == c.after && parcels == c.number
		mu.Unlock()
		if now {
			strike()
		}
		return !now || !c.kills
	})
	if !v.expect(err == nil, "%v", err) {
		return v
	}
	defer line.close()
	var run stepper
	mac.Watch(func(argv []string, done bool) {
		if done == c.after && run.next(argv) == c.step {
			strike()
		}
	})

	e := c.errand.to(mac, line.address())
	e.Confirm, e.Connect = c.window(), 20*time.Second // however busy this machine is
	ended := make(chan error, 1)
	if c.kills {
		process, err = e.start()
		if !v.expect(err == nil, "%v", err) {
			return v
		}
		go func() { ended <- process.wait() }()
	} else {
		e.Command = 20 * time.Second
		go func() { ended <- e.run(ctx) }()
	}
	close(ready)
	if c.cuts {
		select {
		case <-done:
			v.quiet(mac, &run)
			before := textOf(mac)
			v.expect(before == c.old.now || before == c.new.now, "while it is cut off it is neither old nor new, -old +is:\n%s", cmp.Diff(c.old.now, before))
			mac.Plug()
		case err = <-ended:
			ended <- err
		}
	}
	err = <-ended
	select {
	case <-hit:
		v.hit = true
		<-done
	default:
		ends := err == nil || c.shuts // the client, before the last steps have
		v.expect(c.parcel || c.step.polls() || c.after && ends, "the step did not come, and the client says: %v", err)
	}
	v.quiet(mac, &run)
	mac.Watch(nil)
	c.judge(ctx, mac, err, &v)
	return v
}

// quiet waits until programs have ceased to start on the Mac, and nothing of a watchdog is there any more. That is after three windows at
// the latest: one for the word to go, one for the confirmation, one in which it can be read how it ended.
func (v *verdict) quiet(mac *macsim.Mac, run *stepper) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	was, calm, slept := "", 0, 0
	for range 600 {
		now, waits := remains(mac)
		if now == "" {
			now = fmt.Sprint(run.total()) // programs that run may leave something yet
		}
		if calm++; now != was {
			was, calm = now, 0
		}
		switch {
		case calm == 8 && !strings.Contains(now, "macos-fleet"):
			return
		case calm == 8 && waits:
			v.expect(slept < 3, "after three windows there is still %s", now)
			mac.Sleep(sweepWindow)
			calm, slept = 0, slept+1
		}
		<-tick.C
	}
	v.expect(false, "after a minute there is still %q", was)
}

// remains says what of a watchdog is on the Mac, if anything, and whether it waits.
func remains(mac *macsim.Mac) (what string, waits bool) {
	names, _ := mac.Files().List("/private/var/run")
	for _, name := range names {
		if !strings.HasPrefix(name, "macos-fleet") || name == "macos-fleet.pf.token" {
			continue
		}
		state, _ := mac.Files().Read("/private/var/run/" + name + "/state")
		state = strings.TrimSpace(state)
		word, _, _ := strings.Cut(state, " ")
		waits = waits || slices.Contains([]string{"armed", "loaded", "settling", "kept", "undone", "stuck"}, word)
		what += " " + name + " " + state
	}
	if strings.Contains(mac.String(), "io.github.macos-fleet.watchdog") {
		what += " a job of macos-fleet"
	}
	return what, waits
}

// judge looks at a Mac on which everything has come to an end; err is what the client said.
func (c trial) judge(ctx context.Context, mac *macsim.Mac, err error, v *verdict) {
	found := textOf(mac)
	old, now := c.old.now, c.new.now
	if c.boots && v.hit {
		old, now = c.old.booted, c.new.booted
	}
	phase := c.old
	switch {
	case c.boots && v.hit && err == nil && found == c.late.now:
		v.outcome, phase = "new, made after it", c.late
	case found == old:
		v.outcome = "old"
	case found == now:
		v.outcome, phase = "new", c.new
	default:
		// Between two renames: what is not called is not in force.
		v.outcome = "old rules, new files"
		if kernel(found) == kernel(now) {
			v.outcome, phase = "new rules, old files", c.new
		}
		v.expect(c.boots && (kernel(found) == kernel(now) || kernel(found) == kernel(old)), "neither old nor new, -old +is:\n%s\n-new +is:\n%s",
			cmp.Diff(old, found), cmp.Diff(now, found))
	}
	var undone *watchdog.UndoneError
	var refused *watchdog.RefusedError
	switch {
	case c.kills && v.hit:
		v.outcome += ", no client"
	case err == nil:
		v.outcome += ", done"
		v.expect(phase != c.old, "the client believes that it is done")
	case errors.As(err, &undone):
		v.outcome += ", undone: " + undone.Why
		v.expect(phase == c.old && !undone.Left, "the client believes that it is undone: %v", err)
	case errors.As(err, &refused):
		v.expect(false, "refused: %v", err)
	default:
		v.outcome += ", unknown to the client"
	}

	again := c.errand.to(mac, mac.Addr())
	again.Connect = 30 * time.Second // however busy this machine is
	fresh, err := again.host()
	if !v.expect(err == nil, "%v", err) {
		return
	}
	defer fresh.Close()
	_, err = look(ctx, fresh)
	v.expect(err == nil, "it cannot be reached: %v", err)
	mac.Reboot()
	if booted := textOf(mac); booted != phase.booted {
		v.expect(c.boots && kernel(booted) == kernel(phase.booted), "after a restart, -want +got:\n%s", cmp.Diff(phase.booted, booted))
	}
	if c.sweep.shuts {
		return
	}
	err = again.run(ctx)
	v.expect(err == nil, "the next apply: %v", err)
	if text := textOf(mac); text != phase.again {
		v.expect(text == c.old.again || text == c.new.again, "after the next apply, -want +got:\n%s", cmp.Diff(phase.again, text))
	}
}

// kernel is the part of a Mac's text that is about pf's kernel.
func kernel(text string) string {
	text = "\n" + text
	_, text, _ = strings.Cut(text, "\npf\n")
	text, _, _ = strings.Cut(text, "\nlaunchd\n")
	return text
}

// TestSweep has something happen at every step of changes, and looks at what becomes of the Mac: whatever it is, the Mac can be reached
// afterwards, its rules are all old or all new, also after a restart, nothing is left over, and the change can be made.
func TestSweep(t *testing.T) {
	t.Parallel()
	want, set := os.LookupEnv(sweepVar)
	if !set {
		t.Skipf("hundreds of Macs, one for each step: set %s=all, thinned, or a part of a case's name", sweepVar)
	}
	var all []trial
	for _, s := range sweeps() {
		if err := s.learn(t.Context()); err != nil {
			t.Errorf("%s: %v", s.name, err)
			continue
		}
		for _, d := range disturbances {
			for n, step := range s.steps {
				all = append(all, trial{sweep: s, disturbance: d, number: n + 1, step: step})
			}
			for n := range s.parcels {
				all = append(all, trial{sweep: s, disturbance: d, number: n + 1, parcel: true})
			}
		}
	}
	chosen := slices.DeleteFunc(slices.Clone(all), func(c trial) bool { return want != "all" && want != "thinned" && !strings.Contains(c.name(), want) })
	if want == "thinned" {
		chosen = thinned(all)
		t.Logf("%d of %d cases; %s=all runs every one", len(chosen), len(all), sweepVar)
	}
	if len(chosen) == 0 {
		t.Fatalf("%s=%s: no case is named so", sweepVar, want)
	}

	verdicts := make([]verdict, len(chosen))
	var work sync.WaitGroup
	slots := make(chan struct{}, 40)
	for i, c := range chosen {
		slots <- struct{}{}
		work.Go(func() {
			defer func() { <-slots }()
			verdicts[i] = c.run(t.Context())
			for _, wrong := range verdicts[i].wrong {
				t.Errorf("%s, %s: %s", c.name(), c.what(), wrong)
			}
		})
	}
	work.Wait()
	t.Log(tabulate(chosen, verdicts))
}

// tabulate is a table of all cases, and one that counts them.
func tabulate(chosen []trial, verdicts []verdict) string {
	var table, sums strings.Builder
	kinds := []string{"old", "new", "between", "did not come", "wrong"}
	fmt.Fprintf(&sums, "\n%-32s%8s", "", "cases")
	for _, kind := range kinds {
		fmt.Fprintf(&sums, "%14s", kind)
	}
	counts := map[string]int{}
	for i, v := range verdicts {
		c := chosen[i]
		group := path.Dir(c.name())
		kind, _, _ := strings.Cut(v.outcome, ",")
		switch {
		case !v.hit:
			v.outcome, kind = "did not come", "did not come"
		case kind != "old" && kind != "new":
			kind = "between"
		}
		counts[kind]++
		if len(v.wrong) > 0 {
			v.outcome += ", WRONG"
			counts["wrong"]++
		}
		counts[""]++
		fmt.Fprintf(&table, "\n%-34s %-100s %s", c.name(), c.what(), v.outcome)
		if i+1 == len(chosen) || path.Dir(chosen[i+1].name()) != group {
			fmt.Fprintf(&sums, "\n%-32s%8d", group, counts[""])
			for _, kind := range kinds {
				fmt.Fprintf(&sums, "%14d", counts[kind])
			}
			clear(counts)
		}
	}
	return table.String() + "\n" + sums.String()
}

// thinned is every seventh of them, from another one on for each disturbance.
func thinned(all []trial) []trial {
	var some []trial
	for i, c := range all {
		if i%7 == 0 {
			some = append(some, c)
		}
	}
	return some
}

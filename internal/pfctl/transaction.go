package pfctl

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
	"github.com/macos-fleet/terraform-provider-macos/internal/watchdog"
)

// The scripts of changes, see [watchdog.Change].
var (
	//go:embed change.sh
	changeScript string
	//go:embed anchor.sh
	anchorScript string
	//go:embed conf.sh
	confScript string
	//go:embed removal.sh
	removalScript string
	//go:embed reference.sh
	referenceScript string
)

// Why a change was not made. The error wraps what happened: a [watchdog.RefusedError], after which nothing has changed, or a
// [watchdog.UndoneError].
var (
	ErrChanged     = errors.New("the anchor is not as it was when this was planned")
	ErrConfChanged = errors.New("/etc/pf.conf was changed by somebody else at the same moment")
	ErrRefused     = errors.New("pfctl refuses the rules")
	ErrConfRefused = errors.New("pfctl refuses the main ruleset, /etc/pf.conf")
	ErrDisk        = errors.New("a file could not be written")
	ErrLoad        = errors.New("pfctl could not load the rules")
	ErrEnable      = errors.New("pf could not be enabled")
)

var exits = map[int]error{
	20: ErrChanged, 21: ErrConfChanged, 22: ErrRefused, 23: ErrConfRefused, 24: ErrDisk, 25: ErrLoad,
}

// Apply makes the anchor hold the rules, on disk, in the kernel and called, and returns the anchor's Mac as it is then: a Survey
// that knows few anchors. An anchor that is neither as seen nor as wanted is ErrChanged, with the Mac as found. Rules are in
// force for good only when a new connection has confirmed them; see package watchdog for that, and for more errors.
func Apply(ctx context.Context, h *remote.Host, name, rules string, seen Seen) (*Survey, error) {
	s, err := together(ctx, h, request{name: name, rules: Terminated(rules), seen: seen})
	if err != nil {
		return s, fmt.Errorf("pfctl: loading %s: %w", name, err)
	}
	return s, nil
}

// Remove takes away the anchor's rules, its file and our lines about it, under the same net as Apply. The main ruleset is loaded again
// only if that drops nothing but the call; otherwise the call stays until the next boot, and calls an anchor without rules. An anchor
// that is not there is no error. One that is not as seen is ErrChanged, with the Mac as found; what was lost of it meanwhile does not
// count, since it is to go anyway.
func Remove(ctx context.Context, h *remote.Host, name string, seen Seen) (*Survey, error) {
	s, err := together(ctx, h, request{name: name, remove: true, seen: seen})
	if err != nil {
		return s, fmt.Errorf("pfctl: removing %s: %w", name, err)
	}
	return s, nil
}

// Enable takes a reference that keeps pf enabled, unless ours still counts, under the same net as Apply.
func Enable(ctx context.Context, h *remote.Host) error {
	if _, err := together(ctx, h, request{}); err != nil {
		return fmt.Errorf("pfctl: %w: %w", ErrEnable, err)
	}
	return nil
}

// request is what one resource wants of pf: rules in an anchor, the end of an anchor, or, without a name, that pf is enabled.
type request struct {
	name   string
	rules  string
	remove bool
	seen   Seen
}

type reply struct {
	survey *Survey
	err    error
}

// together has the request carried out with those that others make of this Mac at the same time, so that they need one confirmation.
func together(ctx context.Context, h *remote.Host, r request) (*Survey, error) {
	got, err := remote.Together(ctx, h, "pf", r, func(ctx context.Context, all []request) []reply {
		return carryOut(ctx, h, all)
	})
	if err != nil {
		return nil, err
	}
	return got.survey, got.err
}

// carryOut carries out all requests, in as few transactions as it can. One that is refused or cannot be loaded does not keep the
// others from being tried again without it. If the Mac was cut off, all of a transaction are at fault together.
func carryOut(ctx context.Context, h *remote.Host, all []request) []reply {
	replies := make([]reply, len(all))
	open := make([]int, len(all))
	for i := range all {
		open[i] = i
	}
	for tries := make([]int, len(all)); len(open) > 0; {
		t, err := begin(ctx, h, all, open)
		if err != nil {
			for _, i := range open {
				replies[i].err = err
			}
			break
		}
		var later []int
		for _, i := range open {
			switch err := t.add(i, all[i]); {
			case errors.Is(err, errLater):
				later = append(later, i)
			case err != nil:
				replies[i] = reply{t.before, err}
			}
		}
		after, err := t.commit(ctx, h)
		var failed *stepError
		for _, i := range t.requests {
			switch {
			case errors.As(err, &failed) && failed.concerns(i) && !failed.again(tries[i]):
				replies[i] = reply{t.before, failed.err}
			case failed != nil:
				tries[i]++
				later = append(later, i)
			case err != nil:
				replies[i] = reply{t.before, err}
			default:
				replies[i] = reply{after, nil}
			}
		}
		slices.Sort(later)
		open = later
	}
	return replies
}

// transaction is changes that are made at once.
type transaction struct {
	before   *Survey
	wants    map[string]Rules // what the texts of anchors load to, by anchor
	requests []int            // whose requests are in it

	conf     Conf   // /etc/pf.conf as it will be
	main     bool   // the main ruleset is loaded
	order    order  // when /etc/pf.conf changes
	loads    []step // anchors that get rules
	removals []step // anchors that go
	enables  []step
	settles  bool
}

// order is whether /etc/pf.conf is to change before or after the files of the anchors that it calls; zero: it is not to change. At
// no moment may it name a file that is not there, since the Mac would boot without its main ruleset; and at no moment may an anchor
// have rules of a kind that it does not call.
type order int

const (
	confLast  order = iota + 1 // for an anchor that is new, or needs fewer kinds of call
	confFirst                  // for an anchor that needs more of them
)

// step is one change and whose requests it is for.
type step struct {
	watchdog.Change
	anchor   string // whose it is, if it is an anchor's
	requests []int
	kernel   bool // it changes what the kernel holds
}

// stepError is a step that failed, with nothing changed.
type stepError struct {
	requests []int
	err      error
}

func (e *stepError) Error() string { return e.err.Error() }

func (e *stepError) concerns(request int) bool { return slices.Contains(e.requests, request) }

// again reports whether to look at the Mac again and retry, after so many tries: somebody came in between.
func (e *stepError) again(tries int) bool {
	return errors.Is(e.err, ErrConfChanged) && tries < 3 || errors.Is(e.err, ErrChanged) && tries < 1
}

// errLater is a request that cannot be in the same transaction as the others.
var errLater = errors.New("later")

// begin reads the anchors that the open requests are about, and what their rules would load to.
func begin(ctx context.Context, h *remote.Host, all []request, open []int) (*transaction, error) {
	var names []string
	files := map[string][]byte{}
	for _, i := range open {
		if r := all[i]; r.name != "" && !slices.Contains(names, r.name) {
			if names = append(names, r.name); !r.remove {
				files[strconv.Itoa(len(names))+".rules"] = []byte(r.rules)
			}
		}
	}
	if len(names) == 0 {
		names = []string{noAnchor}
	}
	result, err := h.Run(ctx, remote.Cmd{Script: surveyScript + checkScript, Args: names, Files: files})
	if err != nil {
		return nil, fmt.Errorf("reading pf: %w", err)
	}
	s := parseSurvey(result.Records)
	return &transaction{before: s, wants: checked(result.Records), conf: s.Conf}, nil
}

// noAnchor is a name for the survey when no anchor is of interest, since without a name it is about all. No anchor of ours has it.
const noAnchor = "macos-fleet"

// add takes a request into the transaction, or says why it cannot be carried out.
func (t *transaction) add(i int, r request) (err error) {
	switch {
	case r.name == "":
		t.enables = append(t.enables, step{Change: change(referenceScript, nil), requests: []int{i}, kernel: !t.before.Held || !t.before.Enabled})
		t.settles = true
	case slices.ContainsFunc(append(t.loads, t.removals...), func(s step) bool { return s.anchor == r.name }):
		return errLater // two requests about one anchor
	case r.remove:
		err = t.remove(i, r)
	default:
		err = t.load(i, r)
	}
	if err == nil {
		t.requests = append(t.requests, i)
	}
	return err
}

func (t *transaction) load(i int, r request) error {
	want, a := t.wants[r.name], t.before.Anchor(r.name)
	if want.Err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, want.Err)
	}
	if a.Link || !r.seen.text(a, r.rules) || !r.seen.rules(a) && !want.Matches(a.Loaded) {
		return ErrChanged
	}
	plan := t.before.Plan(r.name, want)
	if plan.conf != t.before.Conf {
		now, then := t.before.Conf.kinds(r.name), plan.conf.kinds(r.name)
		first := confLast
		if a.Exists && !subset(then, now) {
			first = confFirst
		}
		if t.order != 0 && t.order != first {
			return errLater
		}
		t.order = first
		file := FileOf(r.name)
		if Reached(r.name) {
			file = ""
		}
		if first == confFirst {
			// A kind that is called and has no rules does no harm, until the next change.
			then = append(then, slices.DeleteFunc(now, func(kind string) bool { return slices.Contains(then, kind) })...)
		}
		t.conf = t.conf.With(r.name, file, then)
	}
	t.main = t.main || plan.main
	files := a.files()
	files["args"] = arguments(a.Name, a.File, yesNo(plan.Kernel))
	files["rules"] = []byte(r.rules)
	t.loads = append(t.loads, step{anchor: r.name, Change: change(anchorScript, files), requests: []int{i}, kernel: plan.Kernel})
	t.settles = t.settles || touches(want.Lines) || touches(a.Loaded)
	return nil
}

func (t *transaction) remove(i int, r request) error {
	a := t.before.Anchor(r.name)
	if a.Link || a.Exists && !r.seen.text(a, r.seen.Text) || len(a.Loaded) > 0 && !r.seen.rules(a) {
		return ErrChanged
	}
	conf := t.conf.Without(r.name)
	if conf != t.conf {
		if t.order == 0 {
			t.order = confLast
		}
		t.conf = conf
		t.main = t.main || len(t.before.Lost) == 0
	}
	_, foreign := conf.statements().loads(r.name, a.File)
	files := a.files()
	files["args"] = arguments(a.Name, a.File, yesNo(foreign))
	t.removals = append(t.removals, step{anchor: r.name, Change: change(removalScript, files), requests: []int{i}, kernel: len(a.Loaded) > 0})
	t.settles = t.settles || touches(a.Loaded)
	return nil
}

// steps are all of them in order.
func (t *transaction) steps() []step {
	var conf []step
	if t.conf != t.before.Conf || t.main {
		how := "yes"
		if t.main {
			how = "main"
		}
		conf = []step{{requests: t.requests, kernel: t.main, Change: change(confScript, map[string][]byte{
			"args": arguments(how), "conf": []byte(t.conf), "old": []byte(t.before.Conf),
			"load": []byte(t.conf.withoutLoads()), "undo": []byte(t.before.Conf.withoutLoads()),
		})}}
	}
	if t.order == confFirst {
		return slices.Concat(conf, t.loads, t.removals, t.enables)
	}
	return slices.Concat(t.loads, conf, t.removals, t.enables)
}

// commit makes the changes and reads the Mac again. A *stepError means that nothing has changed.
func (t *transaction) commit(ctx context.Context, h *remote.Host) (*Survey, error) {
	if len(t.requests) == 0 {
		return t.before, nil
	}
	steps := t.steps()
	plan := watchdog.Plan{After: surveyScript, AfterArgs: []string{noAnchor}, Direct: true, Settles: t.settles || t.main}
	for _, s := range steps {
		plan.Changes = append(plan.Changes, s.Change)
		plan.Direct = plan.Direct && !s.kernel
	}
	for _, s := range slices.Concat(t.loads, t.removals) {
		plan.AfterArgs = append(plan.AfterArgs, s.anchor)
	}
	records, err := watchdog.Do(ctx, h, plan)
	var refused *watchdog.RefusedError
	var undone *watchdog.UndoneError
	switch {
	case err == nil:
		return parseSurvey(records), nil
	case errors.As(err, &refused):
		return nil, failed(steps[refused.Change], refused.Exit, err)
	case errors.As(err, &undone) && undone.Exit != 0 && !undone.Left:
		return nil, failed(steps[undone.Change], undone.Exit, err)
	}
	return nil, err
}

// failed is the error of a step that ended with this status.
func failed(s step, exit int, err error) error {
	if known := exits[exit]; known != nil {
		err = fmt.Errorf("%w: %w", known, err)
	}
	return &stepError{requests: s.requests, err: err}
}

func change(script string, files map[string][]byte) watchdog.Change {
	return watchdog.Change{Script: changeScript + script, Files: files}
}

// files are what the changes of an anchor have to know of it as it is.
func (a *Anchor) files() map[string][]byte {
	files := map[string][]byte{"old.rules": text(a.Loaded), "old.load": loadable(a.Loaded), "undo": a.undo()}
	if a.Exists {
		files["old"] = []byte(a.Text)
	}
	return files
}

// arguments are one on a line.
func arguments(all ...string) []byte { return []byte(strings.Join(all, "\n") + "\n") }

func subset(a, b []string) bool {
	return !slices.ContainsFunc(a, func(s string) bool { return !slices.Contains(b, s) })
}

// otherTCP is a rule that is about TCP and single ports other than 443.
var otherTCP = regexp.MustCompile(`\bproto tcp .*\bport = \d+`)

// touches reports whether any of the rules may be about UDP or about TCP on port 443, over which Tailscale has its tunnels: those live on
// old states for minutes after rules have cut them.
func touches(lines []string) bool {
	return slices.ContainsFunc(lines, func(line string) bool {
		return !strings.Contains(line, "proto icmp") && (!otherTCP.MatchString(line) || strings.Contains(line, "port = 443"))
	})
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

package watchdog

import (
	"cmp"
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

//go:embed change.sh
var changeScript string

//go:embed arm.sh
var armScript string

//go:embed watchdog.sh
var watchdogScript string

//go:embed tell.sh
var tellScript string

//go:embed direct.sh
var directScript string

// Change is one thing to be changed on a Mac. Its script is run in a folder of its own with Files, by /bin/sh and as root, with one
// word, and ends with a status of 1 to 99 when that cannot be done:
//
//	check  whether it can be made; changes nothing
//	try    make it, in such a way that a restart of the Mac would end it
//	keep   make it last
//	undo   take back what was begun of try and keep, nothing if they were not; it may find either cut short at any point
//
// A word that was cut short may be given again. A program that it starts gets no input, and what it prints ends up in an error's words.
type Change struct {
	Script string            // after change.sh, whose functions it may use
	Files  map[string][]byte // by name ([a-z.]+)
}

// Plan is what is to be done on a Mac: all of it, or nothing.
type Plan struct {
	Changes []Change // made and kept in this order, undone in the other
	// Direct is for changes that no connection depends on: they are made without a watchdog, and undone only if one of them fails.
	Direct bool
	// Settles is for changes whose damage shows late, so that they are confirmed twice if the Mac's SettleTime says so.
	Settles bool
	// Takes is how long each word of the changes may wait by itself for something on the Mac.
	Takes time.Duration
	// After is a script whose records are the result, run with AfterArgs once the changes are kept.
	After     string
	AfterArgs []string
}

// Do carries out the plan on h and returns what After said. Errors are *RefusedError, ErrNotArmed and those of [remote.Host.Run] when
// nothing was changed, *UndoneError and *LostError. The caller has the Mac alone, see [remote.Host.Alone].
func Do(ctx context.Context, h *remote.Host, p Plan) ([]remote.Record, error) {
	if p.Direct {
		return p.direct(ctx, h)
	}
	w := &watch{Host: h, plan: p, nonce: strings.ToLower(rand.Text()[:12])}
	if err := w.arm(ctx); err != nil {
		return nil, w.callOff(ctx, err)
	}
	defer h.Forget()
	return w.see(ctx)
}

// files are those of all changes, as arm.sh and direct.sh want them.
func (p Plan) files() map[string][]byte {
	all := map[string][]byte{}
	for i, c := range p.Changes {
		n := strconv.Itoa(i + 1)
		all[n+".change.sh"] = []byte(changeScript + c.Script)
		for name, content := range c.Files {
			all[n+"."+name] = content
		}
	}
	return all
}

func (p Plan) direct(ctx context.Context, h *remote.Host) ([]remote.Record, error) {
	result, err := h.Run(ctx, remote.Cmd{
		Script: directScript + p.After, Args: append([]string{strconv.Itoa(len(p.Changes))}, p.AfterArgs...),
		Files: p.files(), Writes: true, Takes: 2 * p.Takes, // to keep, and to undo
	})
	if err != nil {
		return nil, refused(result, err)
	}
	return endOf(result).result(h.Name(), nil)
}

// watch is one plan that a watchdog carries out.
type watch struct {
	*remote.Host
	plan  Plan
	nonce string
}

func (w *watch) folder() string { return "/private/var/run/macos-fleet.watchdog." + w.nonce }

func (w *watch) label() string { return "io.github.macos-fleet.watchdog." + w.nonce }

// confirm is how long the watchdog waits for a confirmation, settle after which time it wants a second one; 0: it wants none.
func (w *watch) confirm() time.Duration { return w.Target().ConfirmTimeout }

func (w *watch) settle() time.Duration {
	if w.plan.Settles {
		return w.Target().SettleTime
	}
	return 0
}

// longest is how long the watchdog may exist and not have decided: unless it is told to go, then until it is confirmed, then
// until it is confirmed again; and a minute for what it does in between, besides what the changes wait for.
func (w *watch) longest() time.Duration {
	return 3*w.confirm() + w.settle() + time.Minute + 3*w.plan.Takes
}

// jobScript is what launchd runs. Without watchdog.sh everything has been done but to end, which was cut short.
const jobScript = `[ ! -f "$1/watchdog.sh" ] || exec /bin/sh "$1/watchdog.sh" "$@"
/bin/rm -rf "$1"
exec /bin/launchctl bootout "system/$2"`

// arm brings the changes to the Mac, has them checked, and returns when the watchdog has reported.
func (w *watch) arm(ctx context.Context) error {
	job, err := plist.Encode(plist.Dict{
		{Key: "Label", Value: w.label()},
		{Key: "ProgramArguments", Value: plist.Array{
			"/bin/sh", "-c", jobScript, "watchdog",
			w.folder(), w.label(), seconds(w.confirm()), seconds(w.settle()),
		}},
		{Key: "RunAtLoad", Value: true},
		{Key: "KeepAlive", Value: plist.Dict{{Key: "SuccessfulExit", Value: false}}},
		{Key: "ProcessType", Value: "Interactive"}, // its timers are not put off
		// To end what it does and to undo it, when it is told to stop.
		{Key: "ExitTimeOut", Value: int64((30*time.Second + 2*w.plan.Takes) / time.Second)},
		{Key: "WorkingDirectory", Value: "/"},
	})
	if err != nil {
		return err
	}
	files := w.plan.files()
	files["watchdog.sh"], files["job.plist"] = []byte(watchdogScript), job
	result, err := w.Run(ctx, remote.Cmd{
		Script: armScript, Files: files, Writes: true,
		Args: []string{w.folder(), w.label(), strconv.Itoa(len(w.plan.Changes)), seconds(w.longest())},
	})
	return refused(result, err)
}

// callOff is the error of an arming that failed. If it is not known how far that came, a watchdog may be there, which nobody will tell
// to go: it is told to end, so that it does not keep the Mac's lock until it does so by itself.
func (w *watch) callOff(ctx context.Context, err error) error {
	var lost *remote.LostError
	if !errors.As(err, &lost) {
		return err
	}
	ended := &UndoneError{Host: w.Name(), Why: "lost", Err: err}
	if end, err := w.tell(ctx, "undo", 5*time.Second, arming, armed); err != nil || end.state != undone {
		ended.Until = w.longest() // It may be there, or yet to come.
	}
	return ended
}

// see has the watchdog make the changes, and sees them through. Whatever becomes of the connections, it knows in the end how it ended, or
// that the Mac is away. Once it is told to go, a ctx that is done has the changes undone; once it is told that they are confirmed, nothing
// has.
func (w *watch) see(ctx context.Context) ([]remote.Record, error) {
	end, err := ending{}, ctx.Err()
	if err == nil {
		end, err = w.tell(ctx, "go", 2*time.Second, armed, trying, undoing)
	}
	if err != nil || end.state == armed || end.state == trying {
		// The change may have killed this very connection. Is it made? Only a connection dialled after that proves anything.
		if err = w.redial(ctx, w.confirm()/2+w.plan.Takes); err == nil {
			end, err = w.tell(ctx, "wait", w.confirm()/4+w.plan.Takes, armed, trying, undoing)
		}
	}
	if err == nil && end.state == loaded {
		end, err = w.confirmOver(ctx, "confirm", loaded, keeping, undoing)
	}
	if err == nil && end.state == settling {
		select {
		case <-time.After(w.settle()):
			end, err = w.confirmOver(ctx, "settled", settling, keeping, undoing)
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	cause := err
	if !end.final() {
		if cause == nil && end.state != undoing {
			cause = fmt.Errorf("the watchdog did not get beyond its state %q in time", end.state)
		}
		if end, err = w.giveUp(ctx); err != nil {
			return nil, &LostError{Host: w.Name(), Err: cause, Until: w.longest()}
		}
	}
	if end.state == gone {
		return nil, &LostError{Host: w.Name(), Err: cmp.Or(cause, ErrGone), Until: w.longest()}
	}
	return end.result(w.Name(), cause)
}

// confirmOver dials anew and gives the word over that connection. It returns when the watchdog is in none of these states any more.
func (w *watch) confirmOver(ctx context.Context, word string, states ...string) (ending, error) {
	if err := w.redial(ctx, w.confirm()-w.confirm()/6); err != nil {
		return ending{}, err
	}
	return w.tell(ctx, word, time.Minute+w.plan.Takes, states...)
}

// redial dials until somebody answers, the time is over or ctx done: again after three seconds at the earliest.
func (w *watch) redial(ctx context.Context, limit time.Duration) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for ctx.Err() == nil {
		next := time.After(3 * time.Second)
		err := w.Reconnect(limited)
		if err == nil {
			return nil
		}
		select {
		case <-next:
		case <-limited.Done():
			return cmp.Or(ctx.Err(), err)
		}
	}
	return ctx.Err()
}

// tell gives the watchdog a word and returns what state it comes to that is none of these, or the state it is in when the time is
// over. An error says that it cannot be known over this connection. A ctx that is done does not end it, since that would end the
// connection, which may be the last over which the change can be undone at once.
func (w *watch) tell(ctx context.Context, word string, limit time.Duration, states ...string) (ending, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit+2*time.Second)
	defer cancel()
	result, err := w.Run(ctx, remote.Cmd{
		Script: tellScript + w.plan.After,
		Args:   append([]string{w.folder(), w.label(), word, seconds(limit), strings.Join(states, " ")}, w.plan.AfterArgs...),
		Takes:  limit,
		Tells:  true,
	})
	if err != nil {
		return ending{}, err
	}
	return endOf(result), nil
}

// giveUp has the changes undone at once if there is a connection that lives, and otherwise waits until the watchdog has done so by itself
// and the Mac can be reached again. It does so even when ctx is done, for as long as that can take.
func (w *watch) giveUp(ctx context.Context) (end ending, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.longest())
	defer cancel()
	for {
		end, err = w.tell(ctx, "undo", 10*time.Second, armed, trying, loaded, settling, keeping, undoing)
		if err == nil && end.final() {
			return end, nil
		}
		if err != nil {
			err = w.redial(ctx, w.longest())
		}
		if ctx.Err() != nil {
			return end, cmp.Or(err, ctx.Err())
		}
	}
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d.Round(time.Second) / time.Second)) }

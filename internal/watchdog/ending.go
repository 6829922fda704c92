package watchdog

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

// ErrNotArmed is a watchdog that launchd did not start. Nothing was changed.
var ErrNotArmed = errors.New("launchd did not start the watchdog")

// RefusedError is a change whose check failed. Nothing was changed.
type RefusedError struct {
	Change int // its index in the plan
	Exit   int
	Err    error // *remote.ExitError, with the words of the check
}

func (e *RefusedError) Error() string { return e.Err.Error() }

func (e *RefusedError) Unwrap() error { return e.Err }

// UndoneError is a plan that was not carried out: the Mac is as it was, except for what Left says.
type UndoneError struct {
	Host string
	// Why is "unconfirmed", "asked" (this side had it undone, because no new connection came through or the apply was cancelled), "stopped" (somebody
	// stopped the watchdog), "lost" (it was not told to go), "disk" (the Mac's was full), or the word of a change that failed: "try" or "keep".
	Why    string
	Change int // the index of the change that failed
	Exit   int // its exit status
	// Left is true when not everything could be undone.
	Left  bool
	Until time.Duration // for "lost", when nobody could be told to end: within which time what was prepared on the Mac does so by itself
	Log   string        // what the changes printed
	Err   error         // why there was no confirmation; nil if that was not the reason
}

func (e *UndoneError) Error() string {
	end := "was undone"
	if e.Left {
		end = "could not all be undone"
	}
	text := fmt.Sprintf("%s: the change %s: %s", e.Host, end, e.Why)
	if e.Exit != 0 {
		text += fmt.Sprintf(" ended with exit %d: %s", e.Exit, strings.TrimSpace(e.Log))
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *UndoneError) Unwrap() error { return e.Err }

// Unconfirmed is true when nothing failed but to reach the Mac over a new connection.
func (e *UndoneError) Unconfirmed() bool {
	return e.Why == "unconfirmed" || e.Why == "asked" && e.Err != nil && !errors.Is(e.Err, context.Canceled)
}

// LostError is a Mac that could not be reached any more, not even after the watchdog must have undone the change; or that had
// forgotten about it when it could, as after a restart, which undoes it as well.
type LostError struct {
	Host  string
	Until time.Duration // how long the watchdog could hold the change
	Err   error
}

func (e *LostError) Error() string {
	return fmt.Sprintf("%s: whether the change was kept or undone is unknown: %v", e.Host, e.Err)
}

func (e *LostError) Unwrap() error { return e.Err }

// ErrGone is a watchdog that has ended, and nobody saw how.
var ErrGone = errors.New("it is not there any more, as after a restart")

// The states of a watchdog, and what tell.sh says when it has none any more.
const (
	arming   = "arming" // it has none yet
	armed    = "armed"
	trying   = "trying"
	loaded   = "loaded"
	settling = "settling"
	keeping  = "keeping"
	undoing  = "undoing"

	kept   = "kept"
	undone = "undone"
	stuck  = "stuck"
	gone   = "gone"
)

// ending is the state of a watchdog, which may be how it ended.
type ending struct {
	state   string
	cause   []string // the words after it
	log     string
	records []remote.Record // what the script after ours said
}

// endOf reads what tell.sh or direct.sh said.
func endOf(r remote.Result) ending {
	e := ending{state: gone, log: r.Stderr}
	for i, record := range r.Records {
		switch record.Key {
		case "state":
			words := strings.Fields(record.Args)
			e.state, e.cause, e.records = words[0], words[1:], r.Records[i+1:]
		case "log":
			e.log = string(record.Body)
		}
	}
	return e
}

func (e ending) final() bool {
	return e.state == kept || e.state == undone || e.state == stuck || e.state == gone
}

// result is what Do returns of kept, undone and stuck. Lost is why this side could not confirm; nil if it could.
func (e ending) result(host string, lost error) ([]remote.Record, error) {
	if e.state == kept {
		return e.records, nil
	}
	undone := &UndoneError{Host: host, Left: e.state == stuck, Log: e.log, Err: lost}
	if len(e.cause) > 0 {
		undone.Why = e.cause[0]
	}
	if len(e.cause) == 3 {
		undone.Change, _ = strconv.Atoi(e.cause[1])
		undone.Change--
		undone.Exit, _ = strconv.Atoi(e.cause[2])
	}
	return nil, undone
}

// refused sorts out why arm.sh or direct.sh failed before anything was changed.
func refused(r remote.Result, err error) error {
	var exit *remote.ExitError
	if !errors.As(err, &exit) || len(r.Records) == 0 {
		return err
	}
	if exit.Exit == notArmed {
		return fmt.Errorf("%w: %w", ErrNotArmed, err)
	}
	last := r.Records[len(r.Records)-1]
	n, bad := strconv.Atoi(last.Args)
	if last.Key != "check" || bad != nil {
		return err
	}
	return &RefusedError{Change: n - 1, Exit: exit.Exit, Err: err}
}

// notArmed is arm.sh's exit status when launchd did not start the job.
const notArmed = 74

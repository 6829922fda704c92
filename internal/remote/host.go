package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Host is one Mac. Its methods may be called from many goroutines; its scripts run one after the other.
type Host struct {
	target Target
	fleet  *Fleet
	needed bool          // see Need; guarded by the fleet's mutex
	turn   chan struct{} // holds a token while a script runs
	alone  chan struct{} // holds a token while somebody has the Mac, see Alone

	// Owned by whoever holds the turn.
	route    *route // nil: not known yet
	shell    *shell // nil: not connected
	failed   error  // why the last dial failed
	failedAt time.Time
	lost     map[string]*DialError // how readings were lost, see lose

	mu       sync.Mutex        // guards what follows
	readings []*reading        // that wait for the turn
	silent   map[string]silent // by the script that did not end; "": the whole Mac was; see hush
	answers  map[string]*answer
	waiting  map[string][]*waiter // see Together
	rested   map[string]time.Time // when Together last did something by this name
}

// NewHost returns the Mac that t reaches, for itself. Nothing is dialled before the first script.
func NewHost(t Target) *Host { return new(Fleet).Host(t) }

// Name is what the user calls this Mac.
func (h *Host) Name() string { return h.target.name() }

// Target says how the Mac is reached, with the defaults filled in.
func (h *Host) Target() Target {
	t := h.target
	t.ConnectTimeout, t.CommandTimeout, t.ConfirmTimeout = t.connectTimeout(), t.commandTimeout(), t.confirmTimeout()
	return t
}

// Cmd is a script to run as root on a Mac.
type Cmd struct {
	Script string            // POSIX sh
	Args   []string          // "$1", "$2" ...; without NUL bytes
	Files  map[string][]byte // by name ([a-z.]+), in the folder "$D"
	Writes bool              // it may change the Mac: no other does at that time, and what Ask knows is forgotten
	Tells  bool              // it does not write, but has something there go on that does
	Takes  time.Duration     // how long it may wait by itself for something on the Mac, in addition to the command timeout
}

// Result is what a script printed and how it ended.
type Result struct {
	Records []Record
	Exit    int
	Stderr  string
}

// Record is what a script printed after `say KEY ARGS...`.
type Record struct {
	Key  string
	Args string // the rest of the header line
	Body []byte // up to the next record, byte for byte
}

// Run runs c on the Mac and returns what it printed. A context that is done before the script was sent stops it; after
// that, the connection is closed and the outcome is unknown. Errors are *DialError, *ExitError (with the Result),
// *LostError, *BusyError or the context's.
func (h *Host) Run(ctx context.Context, c Cmd) (Result, error) {
	for _, arg := range c.Args {
		if strings.ContainsRune(arg, 0) {
			return Result{}, fmt.Errorf("%s: an argument holds a NUL byte: %.60q", h.Name(), arg)
		}
	}
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	if !c.Writes {
		return h.read(ctx, c)
	}
	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	defer h.Forget()
	var patience time.Time
	pause := 50 * time.Millisecond
	for again := false; ; again = true {
		switch err := h.connect(ctx); {
		case errors.Is(err, errBroke):
			continue
		case err != nil:
			return Result{}, err
		}
		if patience.IsZero() {
			patience = time.Now().Add(h.target.commandTimeout())
		}
		result, sent, err := h.write(ctx, c)
		switch holder, busy := busy(result); {
		case busy && time.Now().After(patience):
			return Result{}, &BusyError{Host: h.Name(), Holder: holder}
		case busy:
			// Another machine's apply; nothing here tells when it ends.
			select {
			case <-time.After(pause):
				pause = min(2*pause, 2*time.Second)
			case <-ctx.Done():
				return Result{}, fmt.Errorf("%s: waiting for the apply of %s: %w", h.Name(), holder, ctx.Err())
			}
		case err == nil:
			h.listen()
			return result, h.exit(result)
		case !sent && !again && ctx.Err() == nil:
			continue // the connection had died since the last script: nothing ran, so a new one may
		case !sent:
			return Result{}, h.unsent(err)
		default:
			return Result{}, &LostError{Host: h.Name(), Err: err}
		}
	}
}

// exit is the error of a script that has ended, nil if there is none.
func (h *Host) exit(r Result) error {
	if r.Exit == 0 {
		return nil
	}
	return &ExitError{Host: h.Name(), Exit: r.Exit, Stderr: r.Stderr}
}

// unsent is the error of a script that did not get through.
func (h *Host) unsent(err error) error { return h.route.failure(h.route.last(), StageTCP, err) }

// Alone waits until nobody else in this process has the Mac alone, and returns what ends that. Who reads a file that others
// change as well, and writes it according to what was read, does so alone; other machines are noticed by the scripts.
func (h *Host) Alone(ctx context.Context) (done func(), err error) {
	select {
	case h.alone <- struct{}{}:
		return func() { <-h.alone }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// busy reports who holds the Mac's lock, when that is why the script did not run. The status is sysexits' EX_TEMPFAIL.
func busy(r Result) (holder string, busy bool) {
	if r.Exit != 75 || len(r.Records) != 1 || r.Records[0].Key != "busy" {
		return "", false
	}
	_, holder, _ = strings.Cut(r.Records[0].Args, " ")
	if i := strings.LastIndexByte(holder, ' '); i >= 0 {
		if _, err := strconv.Atoi(holder[i+1:]); err == nil {
			holder = holder[:i] // the port says nothing to people
		}
	}
	return holder, true
}

// Close ends the connection, if there is one.
func (h *Host) Close() {
	h.turn <- struct{}{}
	defer func() { <-h.turn }()
	h.disconnect()
}

// Reconnect dials the Mac anew, which proves that it still lets this machine in, as a connection that is open does not: pf keeps
// those alive by their state. When the new connection answers, it takes the old one's place. Otherwise the old one stays, and
// nothing is remembered of the failure. Errors are *DialError.
func (h *Host) Reconnect(ctx context.Context) error {
	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	fresh, err := h.open(ctx, func() []byte { return nil })
	if err != nil {
		return err
	}
	if old := h.shell; old != nil && old.path == fresh.path && fresh.path != "unknown" {
		_ = fresh.client.Close()
		return h.route.failure(h.route.last(), StageTCP, errors.New("the new connection is the old one: the Mac sees both come from "+fresh.path))
	}
	h.disconnect()
	h.shell, h.failed = fresh, nil
	h.listen()
	return nil
}

// errBroke is a connection that was made, and ended with one of the readings that were sent with what starts it. They have their answers,
// and it is no reason for others to fail: they may try again.
var errBroke = errors.New("the connection broke with a reading")

// connect makes sure that there is a shell. Scripts that only read and wait for the turn are sent together with what starts it, and
// carried out. That a Mac could not be reached is remembered for as long as an answer is, so that its resources do not each wait for the
// same silence: all get the same error. The caller holds the turn.
func (h *Host) connect(ctx context.Context) error {
	if h.shell != nil {
		select {
		case <-h.shell.gone: // since the last script
			h.shell = nil
		default:
			return nil
		}
	}
	if h.failed != nil && time.Since(h.failedAt) < fresh {
		return h.failed
	}
	var first []*reading
	late := h.fleet.mind()
	shell, err := h.open(ctx, func() []byte {
		h.hush() // those who came since
		first = h.next(0, mostFirst)
		return requests(first)
	})
	late()
	if err != nil {
		h.shell = nil
		h.putBack(first)
		if h.failed = nil; !errors.Is(ctx.Err(), context.Canceled) {
			h.failed, h.failedAt = err, time.Now()
		}
		return err
	}
	h.shell, h.failed = shell, nil
	if h.receiveAll(ctx, first); h.shell == nil {
		return cmp.Or(ctx.Err(), errBroke)
	}
	return nil
}

// open dials the Mac and starts a shell there, with these requests.
func (h *Host) open(ctx context.Context, requests func() []byte) (*shell, error) {
	if h.route == nil {
		r, err := findRoute(ctx, h.target, h.fleet)
		if err != nil {
			return nil, err
		}
		h.route = r
	}
	ctx, cancel := context.WithTimeoutCause(ctx, h.route.timeout.limit, h.route.timeout)
	defer cancel()
	client, err := h.route.dial(ctx)
	if err != nil {
		return nil, err
	}
	s, err := openShell(ctx, client, h.route, h.target.SudoPassword, requests)
	if err != nil {
		_ = client.Close()
		return nil, err
	}
	go s.keepAlive(h.route.alive)
	return s, nil
}

// write runs c, which writes, within the time that it has.
func (h *Host) write(ctx context.Context, c Cmd) (result Result, sent bool, err error) {
	limit := h.target.commandTimeout() + c.Takes
	err = h.within(ctx, limit, func(s *shell) (err error) {
		if sent, err = s.send(request(c, limit)); err == nil {
			result, err = s.receive()
		}
		return err
	})
	return result, sent, err
}

// within has f speak to the shell, for so long at most. After an error the connection is gone. The caller holds the turn.
func (h *Host) within(ctx context.Context, limit time.Duration, f func(*shell) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, silence(limit))
	defer cancel()
	shell := h.shell
	stop := context.AfterFunc(ctx, func() { _ = shell.client.Close() })
	defer stop()
	err := f(shell)
	if err != nil {
		h.disconnect()
		switch quiet := shell.quiet.Load(); {
		case ctx.Err() != nil:
			err = context.Cause(ctx)
		case quiet > 0:
			err = stillness(quiet)
		}
	}
	return err
}

func (h *Host) disconnect() {
	if h.shell != nil {
		_ = h.shell.client.Close()
		h.shell = nil
	}
}

package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Scripts that only read are sent together, so that they need one round trip: as many as wait, but no more than this many and no more
// bytes than this, besides the first. While they are written nobody reads what comes back, and both sides would wait for ever if the
// connection's windows (2 MiB) were full in both directions.
//
// Those that are sent together with what starts the shell have less room, since that is to be done within the connect timeout; there the
// first has to fit as well.
const (
	mostReadings = 32
	mostRequests = 512 << 10
	mostFirst    = 64 << 10
)

// reading is a script that only reads, and what became of it.
type reading struct {
	Cmd
	line   []byte        // its request
	done   chan struct{} // closed when what follows may be read
	result Result
	err    error
	left   bool    // nobody waits for it; guarded by the Host's mutex
	of     *answer // what it is to answer, which somebody may wait for or not; nil: somebody does
}

// read is Run for a script that only reads. Whoever gets the turn carries out all that wait.
func (h *Host) read(ctx context.Context, c Cmd) (Result, error) {
	r := &reading{Cmd: c, line: request(c, 0), done: make(chan struct{})}
	r.of, _ = ctx.Value(purpose{}).(*answer)
	h.mu.Lock()
	h.readings = append(h.readings, r)
	h.mu.Unlock()
	for {
		select {
		case <-r.done:
			return r.result, r.err
		case <-ctx.Done():
			h.leave(r)
			return Result{}, ctx.Err()
		case h.turn <- struct{}{}:
		}
		select {
		case <-r.done:
		case <-ctx.Done():
		default:
			h.readAll(ctx, r)
		}
		<-h.turn
	}
}

// readAll carries out what waits, r as well unless there is too much of it. The caller holds the turn.
func (h *Host) readAll(ctx context.Context, r *reading) {
	var all []*reading
	for again := false; ; again = true {
		if h.hush(); all == nil && r.ended() {
			return
		}
		err := h.connect(ctx)
		switch {
		case errors.Is(err, errBroke):
			continue
		case err != nil && ctx.Err() != nil:
			// It may be that only we have given up.
			if h.leave(r) {
				r.end(Result{}, err)
			}
			endAll(all, err)
			return
		case err != nil:
			for all = append(all, h.next(1, mostRequests)...); len(all) > 0; all = h.next(1, mostRequests) {
				endAll(all, err)
			}
			return
		case all == nil:
			all = h.next(1, mostRequests) // with those who came while it was dialled
		}
		if len(all) == 0 {
			return // it was carried out when the Mac was dialled
		}
		sent, err := h.sendAll(ctx, all)
		switch {
		case err == nil:
			h.receiveAll(ctx, all)
			return
		case sent:
			h.lose(all, err)
			return
		case again || ctx.Err() != nil:
			endAll(all, h.unsent(err))
			return
		}
		// The connection had died since the last script: nothing ran, so a new one may.
	}
}

func (h *Host) sendAll(ctx context.Context, all []*reading) (sent bool, err error) {
	err = h.within(ctx, h.target.commandTimeout(), func(s *shell) (err error) {
		sent, err = s.send(requests(all))
		return err
	})
	return sent, err
}

// requests are the lines of all.
func requests(all []*reading) []byte {
	var lines []byte
	for _, r := range all {
		lines = append(lines, r.line...)
	}
	return lines
}

func (h *Host) receiveAll(ctx context.Context, all []*reading) {
	for i, r := range all {
		var result Result
		err := h.within(ctx, h.target.commandTimeout()+r.Takes, func(s *shell) (err error) {
			result, err = s.receive()
			return err
		})
		if err != nil {
			h.lose(all[i:], err)
			return
		}
		r.end(result, h.exit(result))
	}
}

// silent is how a reading ended to which no answer came.
type silent struct {
	why *LostError
	at  time.Time
}

// lose ends scripts under which the connection ended, the first of them under way. As with dialling, all get the same failure, also those
// that are lost later in the same way: where something lasting cuts every reading, that is one reason, however many there are.
func (h *Host) lose(all []*reading, err error) {
	why, way := err, "cut"
	var late silence
	var still stillness
	switch {
	case errors.Is(err, io.EOF):
		why = fmt.Errorf("the Mac, or the network in between, closed the connection: %w", err)
	case errors.As(err, &late):
		way = "late"
	case errors.As(err, &still):
		way = "still"
	case errors.Is(err, context.Canceled):
		way = "cancelled"
	}
	if h.lost[way] == nil {
		if h.lost == nil {
			h.lost = map[string]*DialError{}
		}
		h.lost[way] = h.route.failure(h.route.last(), StageReading, why)
	}
	told := &LostError{Host: h.Name(), Err: err}
	read := &LostError{Host: h.Name(), Err: err, Reading: h.lost[way]}
	h.mu.Lock()
	if (late > 0 || still > 0) && slices.ContainsFunc(all, (*reading).wanted) {
		if h.silent == nil {
			h.silent = map[string]silent{}
		}
		whose := "" // all that are read
		if late > 0 {
			whose = all[0].Script
		}
		h.silent[whose] = silent{read, time.Now()}
	}
	h.mu.Unlock()
	for _, r := range all {
		if r.Tells {
			r.end(Result{}, told)
		} else {
			r.end(Result{}, read)
		}
	}
}

// hush ends those that wait and would wait for nothing: their script did not end when it was run last, for other resources, or the whole
// Mac was silent. That is remembered for as long as an answer is, or until something is done there. What tells something to what goes on
// there is to be tried all the same.
func (h *Host) hush() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.readings = slices.DeleteFunc(h.readings, func(r *reading) bool {
		for _, script := range []string{"", r.Script} {
			if s, ok := h.silent[script]; ok && !r.Tells && time.Since(s.at) < fresh {
				r.end(Result{}, s.why)
				return true
			}
		}
		return false
	})
}

// listen forgets what was silent: something was done there, and answered.
func (h *Host) listen() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.silent = nil
}

// wanted reports whether somebody waits for it. The caller holds the Host's mutex.
func (r *reading) wanted() bool { return !r.left && (r.of == nil || r.of.wanted) }

func (r *reading) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

func (r *reading) end(result Result, err error) {
	r.result, r.err = result, err
	close(r.done)
}

func endAll(all []*reading, err error) {
	for _, r := range all {
		r.end(Result{}, err)
	}
}

// next takes from those that wait as many as may be sent at once: so many at least, if there are, and no more bytes than most besides.
// Those that somebody waits for come first.
func (h *Host) next(least, most int) []*reading {
	h.mu.Lock()
	defer h.mu.Unlock()
	slices.SortStableFunc(h.readings, func(a, b *reading) int {
		switch aheadA, aheadB := a.of != nil && !a.of.wanted, b.of != nil && !b.of.wanted; {
		case aheadB && !aheadA:
			return -1
		case aheadA && !aheadB:
			return 1
		}
		return 0
	})
	n, size := 0, 0
	for n < len(h.readings) && n < mostReadings && (n < least || size+len(h.readings[n].line) <= most) {
		size += len(h.readings[n].line)
		n++
	}
	all := h.readings[:n:n]
	h.readings = h.readings[n:]
	return all
}

// putBack has those wait again, before all others, for which somebody waits.
func (h *Host) putBack(first []*reading) {
	h.mu.Lock()
	defer h.mu.Unlock()
	first = slices.DeleteFunc(slices.Clone(first), func(r *reading) bool { return r.left })
	h.readings = append(first, h.readings...)
}

// leave takes out r, and is false if it does not wait any more. What is under way goes on without anybody who waits for it.
func (h *Host) leave(r *reading) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	r.left = true
	for i, other := range h.readings {
		if other == r {
			h.readings = append(h.readings[:i:i], h.readings[i+1:]...)
			return true
		}
	}
	return false
}

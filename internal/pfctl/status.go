package pfctl

import (
	"context"
	_ "embed"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

//go:embed status.sh
var statusScript string

// Status is pf's own account of itself. It is shared by all who ask, and not to be changed.
type Status struct {
	Enabled bool
	// Since is when pf was last enabled or disabled, by the Mac's clock; zero: not since it booted.
	Since time.Time
	// References keep pf enabled, in pfctl's order. One that `pfctl -e` took has no token and is not among them.
	References []Reference
	// States is how many states there are.
	States int64
	// Counters are what pf has counted since it was last enabled, by pfctl's names for it: searches, inserts and removals of states,
	// packets that match a rule, and why others were dropped.
	Counters map[string]int64
	// Limits are hard limits of pf's memory, by pfctl's names for them; empty: the Mac's pfctl does not tell.
	Limits map[string]int64
}

// A Reference keeps pf enabled until its token is given back, though the process that took it has often ended.
type Reference struct {
	PID     int64
	Process string // its name, of which the kernel keeps the beginning
	Token   string
	Since   time.Time // by the Mac's clock
	Ours    bool      // it is the one that Enable took
}

// LookAtStatus returns how pf is on h, by one remote call that all who ask share.
func LookAtStatus(ctx context.Context, h *remote.Host) (*Status, error) {
	return remote.Ask(ctx, h, "pf status", func(ctx context.Context) (*Status, error) {
		result, err := h.Run(ctx, remote.Cmd{Script: statusScript})
		if err == nil {
			var s *Status
			if s, err = parseStatus(result.Records); err == nil {
				return s, nil
			}
		}
		return nil, fmt.Errorf("pfctl: reading pf's status: %w", err)
	})
}

var (
	statusLine    = regexp.MustCompile(`^Status: (Enabled|Disabled)(?: for (\d+) days (\d+):(\d+):(\d+))?`)
	counterLine   = regexp.MustCompile(`^  (\S.*?)\s+(\d+)(?:\s|$)`)
	limitLine     = regexp.MustCompile(`^(\S+)\s+hard limit\s+(\d+)\s*$`)
	referenceLine = regexp.MustCompile(`^(\d+)\s+(\S.*?)\s+(\d+)\s+(\d+) days (\d+):(\d+):(\d+)\s*$`)
)

// parseStatus reads what status.sh said. A Mac that does not say whether pf is enabled is an error: a pfctl that failed ends with 0.
func parseStatus(records []remote.Record) (*Status, error) {
	s := &Status{Counters: map[string]int64{}, Limits: map[string]int64{}}
	said := map[string][]string{}
	var now time.Time
	for _, r := range records {
		said[r.Key] = lines(r.Body)
		if seconds, err := strconv.ParseInt(r.Args, 10, 64); err == nil && r.Key == "now" {
			now = time.Unix(seconds, 0).UTC()
		}
	}
	known, section := false, ""
	for _, line := range said["info"] {
		if status := statusLine.FindStringSubmatch(line); status != nil {
			known, s.Enabled = true, status[1] == "Enabled"
			if status[2] != "" {
				s.Since = now.Add(-elapsed(status[2:]))
			}
			continue
		}
		if !strings.HasPrefix(line, " ") {
			section, _, _ = strings.Cut(line, "  ")
			continue
		}
		counter := counterLine.FindStringSubmatch(line)
		if counter == nil || section != "State Table" && section != "Counters" {
			continue // such as those of an interface
		}
		if n := number(counter[2]); counter[1] == "current entries" {
			s.States = n
		} else {
			s.Counters[counter[1]] = n
		}
	}
	if !known {
		return nil, fmt.Errorf("pfctl does not say whether pf is enabled: %s", Words(strings.Join(said["info"], "\n")))
	}
	token := strings.Join(said["token"], "")
	for _, line := range said["references"] {
		if row := referenceLine.FindStringSubmatch(line); row != nil {
			s.References = append(s.References, Reference{
				PID: number(row[1]), Process: row[2], Token: row[3], Since: now.Add(-elapsed(row[4:])), Ours: row[3] == token,
			})
		}
	}
	for _, line := range said["limits"] {
		if limit := limitLine.FindStringSubmatch(line); limit != nil {
			s.Limits[limit[1]] = number(limit[2])
		}
	}
	return s, nil
}

// elapsed is the duration of these days, hours, minutes and seconds.
func elapsed(parts []string) time.Duration {
	return time.Duration(number(parts[0]))*24*time.Hour + time.Duration(number(parts[1]))*time.Hour +
		time.Duration(number(parts[2]))*time.Minute + time.Duration(number(parts[3]))*time.Second
}

// number is 0 for what is none, or too large for one.
func number(digits string) int64 {
	n, _ := strconv.ParseInt(digits, 10, 64)
	return n
}

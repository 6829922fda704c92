package probe

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

//go:embed scan.sh
var scanScript string

// portsPerTurn is how many ports each nc asks before the Mac may do something else: its scripts run one after the other.
const portsPerTurn = 4

// ScanFrom asks the ports of an address from a Mac, with its nc. Options.Timeout counts in whole seconds there.
func ScanFrom(ctx context.Context, h *remote.Host, addr netip.Addr, ports []uint16, o Options) (Ports, error) {
	seconds := max(int((o.Timeout+time.Second-1)/time.Second), 1)
	answers := make([]answer, len(ports))
	for done := 0; done < len(ports); {
		if ctx.Err() != nil {
			return Ports{}, &UnfinishedError{Done: done, Of: len(ports), Err: context.Cause(ctx)}
		}
		turn := ports[done:min(done+o.Parallel*portsPerTurn, len(ports))]
		var list strings.Builder
		for i := range min(o.Parallel, len(turn)) {
			from, to := len(turn)*i/min(o.Parallel, len(turn)), len(turn)*(i+1)/min(o.Parallel, len(turn))
			fmt.Fprintln(&list, strings.Join(Ranges(turn[from:to]), " "))
		}
		result, err := h.Run(ctx, remote.Cmd{
			Script: scanScript, Args: []string{addr.String(), strconv.Itoa(seconds)}, Files: map[string][]byte{"ports": []byte(list.String())},
			Takes: time.Duration(seconds*portsPerTurn) * time.Second,
		})
		if err != nil {
			if ctx.Err() != nil {
				err = &UnfinishedError{Done: done, Of: len(ports), Err: context.Cause(ctx)}
			}
			return Ports{}, fmt.Errorf("probe: scanning from %s: %w", h.Name(), err)
		}
		heard, err := parseScan(result.Records)
		if err != nil {
			return Ports{}, fmt.Errorf("probe: nc on %s: %w", h.Name(), err)
		}
		for i, port := range turn {
			if answers[done+i] = heard[port]; heard[port] == unasked {
				return Ports{}, fmt.Errorf("probe: nc on %s says nothing of port %d", h.Name(), port)
			}
		}
		if done += len(turn); o.Progress != nil {
			o.Progress(done)
		}
	}
	return sorted(ports, answers), nil
}

var (
	ncOpen   = regexp.MustCompile(`^Connection to \S+ port (\d+) .*succeeded!$`)
	ncFailed = regexp.MustCompile(`^nc: connectx? to \S+ port (\d+) \(tcp\) failed: (.*)$`)
)

// parseScan reads what `nc -v -z` printed, a line for each port. Its exit status is 1 for every kind of failure, so that only its words,
// those of strerror(3), tell a port that is closed from one that is silent. (From transcripts of macOS. "Host is down" is what a Mac says
// when nobody in its own network has the address.)
func parseScan(records []remote.Record) (map[uint16]answer, error) {
	heard := map[uint16]answer{}
	for _, r := range records {
		for line := range strings.Lines(string(r.Body)) {
			line = strings.TrimSpace(line)
			found, failed := ncOpen.FindStringSubmatch(line), ncFailed.FindStringSubmatch(line)
			is := open
			switch {
			case line == "":
				continue
			case found != nil:
			case failed == nil:
				return nil, errors.New(line)
			case failed[2] == "Connection refused" || failed[2] == "Connection reset by peer":
				found, is = failed, closed
			case strings.HasSuffix(failed[2], "timed out") || failed[2] == "No route to host" || failed[2] == "Host is down":
				found, is = failed, filtered
			default:
				return nil, fmt.Errorf("port %s: %s", failed[1], failed[2])
			}
			if port, err := strconv.ParseUint(found[1], 10, 16); err == nil {
				heard[uint16(port)] = is
			}
		}
	}
	return heard, nil
}

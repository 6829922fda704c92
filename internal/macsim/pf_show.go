package macsim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
)

// showState is -s. It fails with a message at most, never with a status.
func (r *pfctlRun) showState() {
	switch r.show {
	case "rules":
		if r.recurse {
			r.showStar()
			return
		}
		r.showRules(pf.FilterRules)
	case "nat":
		r.showRules(pf.NATRules)
	case "dummynet":
		r.showRules(pf.DummynetRules)
	case "Anchors":
		r.showAnchors(r.anchor)
	case "Tables":
		for _, t := range r.pf.kernel.Tables(r.anchor) {
			if r.verbose == 0 {
				fmt.Fprintln(r.p.Stdout, t)
				continue
			}
			line := r.pf.kernel.TableFlags(r.anchor, t) + "\t" + t
			if r.anchor != "" {
				line += "\t" + r.anchor
			}
			fmt.Fprintln(r.p.Stdout, line)
		}
	case "References":
		r.showReferences()
	case "Interfaces":
		r.showInterfaces()
	case "states":
		r.print(r.pf.kernel.StateLines())
	case "info":
		r.showInfo()
	case "memory":
		r.print(limits)
	}
}

// limits are those of a Mac on which nothing sets any.
var limits = []string{
	"states        hard limit    10000",
	"app-states    hard limit    10000",
	"src-nodes     hard limit    10000",
	"frags         hard limit     5000",
	"tables        hard limit     1000",
	"table-entries hard limit   200000",
}

// showRules prints rules. With -v every rule is followed by its counters, which are all zero here.
func (r *pfctlRun) showRules(kind pf.Kind) {
	lines, err := r.pf.kernel.Rules(r.anchor, kind)
	if err != nil {
		r.warn("DIOCGETRULES: Invalid argument")
		return
	}
	if r.verbose == 0 {
		r.print(lines)
		return
	}
	for i, line := range lines {
		if r.verbose > 1 {
			line = fmt.Sprintf("@%d %s", i, line)
		}
		fmt.Fprintln(r.p.Stdout, line)
		fmt.Fprintln(r.p.Stdout, "  [ Evaluations: 0         Packets: 0         Bytes: 0           States: 0     ]")
		fmt.Fprintln(r.p.Stdout, "  [ Inserted: uid 0 pid 1 State Creations: 0     ]")
	}
}

// showStar is -s rules with -a NAME/*, which is broken on a Mac: it follows the last part of every call's name only.
func (r *pfctlRun) showStar() {
	lines, err := r.pf.kernel.Rules(r.anchor, pf.FilterRules)
	if err != nil {
		r.warn("DIOCGETRULES: Invalid argument")
		return
	}
	for _, line := range lines {
		word, rest, ok := strings.Cut(line, " \"")
		if !ok || word != "anchor" {
			fmt.Fprintln(r.p.Stdout, line)
			continue
		}
		name, rest, _ := strings.Cut(rest, "\"")
		last := name[strings.LastIndexByte(name, '/')+1:]
		fmt.Fprintf(r.p.Stdout, "anchor \"%s\"%s {\n", last, rest)
		path := strings.TrimPrefix(r.anchor+"/"+last, "/")
		body, err := r.pf.kernel.Rules(path, pf.FilterRules)
		if err != nil {
			r.warn("DIOCGETRULES: Invalid argument")
		}
		for _, line := range body {
			fmt.Fprintln(r.p.Stdout, "  "+line)
		}
		fmt.Fprintln(r.p.Stdout, "}")
	}
}

// showAnchors prints the children of an anchor, with -v all below it. Names that begin with _ are hidden without -v.
func (r *pfctlRun) showAnchors(path string) {
	children, err := r.pf.kernel.Children(path)
	if err != nil {
		fmt.Fprintf(r.p.Stderr, "Anchor '%s' not found.\n", path)
		return
	}
	for _, c := range children {
		if !strings.HasPrefix(c, "_") || r.verbose > 0 {
			fmt.Fprintf(r.p.Stdout, "  %s\n", c)
		}
		if r.verbose > 0 {
			r.showAnchors(c)
		}
	}
}

// showInterfaces prints the interfaces that pf knows, as OpenBSD's pfctl does; with -v it says which are skipped.
func (r *pfctlRun) showInterfaces() {
	skipped := r.pf.kernel.Skipped()
	names := append([]string{"all"}, skipped...)
	for _, i := range r.host.Interfaces {
		names = append(names, i.Name)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if r.verbose > 0 && slices.Contains(skipped, name) {
			name += " (skip)"
		}
		fmt.Fprintln(r.p.Stdout, name)
	}
	if r.verbose > 1 {
		r.warn("macsim: the counters of interfaces are not modelled")
	}
}

func (r *pfctlRun) showReferences() {
	if len(r.pf.tokens) == 0 {
		fmt.Fprintln(r.p.Stdout, "No pf starter references held")
		return
	}
	fmt.Fprintf(r.p.Stdout, "TOKENS:\n%-8s %-28s %-24s %s\n", "PID", "Process Name", "TOKEN", "TIMESTAMP")
	for _, t := range r.pf.tokens {
		fmt.Fprintf(r.p.Stdout, "%-8d %-28s %-24s %s\n", t.pid, "pfctl", t.token, days(r.now.Sub(t.taken)))
	}
}

// days is a duration as pfctl prints it.
func days(d time.Duration) string {
	s := int64(d / time.Second)
	return fmt.Sprintf("%d days %02d:%02d:%02d", s/86400, s/3600%24, s/60%60, s%60)
}

func (r *pfctlRun) showInfo() {
	status := "Status: Disabled"
	if r.pf.enabled {
		status = "Status: Enabled"
	}
	var runtime time.Duration
	if !r.pf.since.IsZero() {
		runtime = r.now.Sub(r.pf.since)
		status += " for " + days(runtime)
	}
	out := r.p.Stdout
	fmt.Fprintf(out, "%-44s%15s\n\n", status, "Debug: Urgent")
	fmt.Fprintf(out, "%-27s %14s %16s\n", "State Table", "Total", "Rate")
	fmt.Fprintf(out, "  %-25s %14d %14s\n", "current entries", len(r.pf.kernel.StateLines()), "")
	counter := func(name string) {
		fmt.Fprintf(out, "  %-25s %14d ", name, 0)
		if runtime >= time.Second {
			fmt.Fprintf(out, "%14.1f/s\n", 0.0)
		} else {
			fmt.Fprintf(out, "%14s\n", "")
		}
	}
	for _, name := range []string{"searches", "inserts", "removals"} {
		counter(name)
	}
	fmt.Fprintln(out, "Counters")
	for _, name := range []string{
		"match", "bad-offset", "fragment", "short", "normalize", "memory", "bad-timestamp", "congestion", "ip-option",
		"proto-cksum", "state-mismatch", "state-insert", "state-limit", "src-limit", "synproxy", "dummynet",
	} {
		counter(name)
	}
}

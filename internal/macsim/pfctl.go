package macsim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
)

const pfctlUsage = `usage: pfctl [-AdeghmNnOqRrvz] [-a anchor] [-D macro=value] [-F modifier]
	[-f file] [-i interface] [-K host | network] [-k host | network]
	[-o level] [-p device] [-s modifier] [-t table -T command [address ...]]
	[-x level]
`

const pfctlBanner = `pfctl: Use of -f option, could result in flushing of rules
present in the main ruleset added by the system at startup.
See /etc/pf.conf for further details.

`

// A pfctlRun is one run of pfctl: its options and what it works on.
type pfctlRun struct {
	m    *Mac
	p    *process
	pf   *pfState
	host *pf.Host
	now  time.Time // in whole seconds, as the kernel's pf and pfctl have it

	anchor           string
	recurse          bool // -a NAME/*
	disable, enable  bool
	take             bool // -E
	release          string
	quiet, noAction  bool
	verbose          int
	flush, show      string
	file             string
	optimize, debug  string
	tableName, table string
	args             []string
	macros           map[string]string
	kill, killSrc    []string
	stdin            []byte     // With -f -.
	tables           *pf.Kernel // What -T works on.
}

// errUsage ends a run with the usage text; what was wrong has been said.
var errUsage = errors.New("usage")

// An exitError ends a run with a status.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// The words that -s, -F, -T, -o and -x take. They may be abbreviated, the first that fits is meant.
var (
	showWords = []string{
		"nat", "rules", "Anchors", "Sources", "states", "info", "Interfaces", "labels", "memory", "Tables", "References",
		"dummynet",
	}
	flushWords    = []string{"nat", "rules", "Sources", "states", "info", "Tables", "osfp", "all", "dummynet"}
	tableWords    = []string{"kill", "flush", "add", "delete", "load", "replace", "show", "test", "zero", "expire"}
	optimizeWords = []string{"none", "basic", "profile"}
	debugWords    = []string{"none", "urgent", "misc", "loud"}
)

// pfctl controls pf. What it does not model (queues, -g, -i, -m, -p, -r, -z, timeouts) it refuses with its usage.
func pfctl(_ context.Context, m *Mac, p *process) int {
	// Once pf is locked nothing is written before it is unlocked again, since the reader may be another pfctl. stdout comes after
	// stderr, as from every program that does not write to a terminal.
	var stdout, stderr bytes.Buffer
	out := *p
	out.Stdout, out.Stderr = &stdout, &stderr
	defer func() {
		_, _ = stderr.WriteTo(p.Stderr)
		_, _ = stdout.WriteTo(p.Stdout)
	}()
	host := *m.host // but for where it finds files
	r := &pfctlRun{m: m, p: &out, pf: &m.pf, host: &host, now: m.now().Truncate(time.Second), macros: map[string]string{}}
	r.host.Files = func(name string) ([]byte, error) {
		text, err := m.files.Read(p.absolute(name))
		return []byte(text), pathReason(err)
	}
	err := r.options(p.Args[1:])
	if err == nil {
		err = r.open()
	}
	if _, gone := stderr.WriteTo(p.Stderr); gone != nil && p.outlets.broke.Load() {
		return 1 // What pfctl says before it does anything was its last word: SIGPIPE.
	}
	if err == nil {
		err = r.run()
	}
	var status exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	case errors.Is(err, errUsage):
		fmt.Fprint(&stderr, pfctlUsage)
	}
	return 1
}

func (r *pfctlRun) warn(format string, args ...any) {
	fmt.Fprintf(r.p.Stderr, "pfctl: "+format+"\n", args...)
}

// die says why and ends the run with 1.
func (r *pfctlRun) die(format string, args ...any) error {
	r.warn(format, args...)
	return exitError(1)
}

// say prints what -q keeps quiet.
func (r *pfctlRun) say(format string, args ...any) {
	if !r.quiet {
		fmt.Fprintf(r.p.Stderr, format+"\n", args...)
	}
}

func (r *pfctlRun) print(lines []string) {
	for _, line := range lines {
		fmt.Fprintln(r.p.Stdout, line)
	}
}

// options reads argv as getopt does: flags may be joined, and the first word that is no flag ends them.
func (r *pfctlRun) options(args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	for len(args) > 0 && strings.HasPrefix(args[0], "-") && args[0] != "-" {
		flags := args[0][1:]
		args = args[1:]
		if flags == "-" {
			break
		}
		for flags != "" {
			flag := flags[0]
			flags = flags[1:]
			var value string
			if strings.IndexByte("aDFfiKkopstTxX", flag) >= 0 {
				switch {
				case flags != "":
					value, flags = flags, ""
				case len(args) > 0:
					value, args = args[0], args[1:]
				default:
					fmt.Fprintf(r.p.Stderr, "pfctl: option requires an argument -- %c\n", flag)
					return errUsage
				}
			}
			if err := r.option(flag, value); err != nil {
				return err
			}
		}
	}
	if r.table == "" && len(args) > 0 {
		r.warn("unknown command line argument: %s ...", args[0])
		return errUsage
	}
	r.args = args
	return nil
}

func (r *pfctlRun) option(flag byte, value string) error {
	word := func(to *string, words []string, what string) error {
		i := slices.IndexFunc(words, func(w string) bool { return value != "" && strings.HasPrefix(w, value) })
		if i < 0 {
			r.warn("Unknown %s '%s'", what, value)
			return errUsage
		}
		*to = words[i]
		return nil
	}
	switch flag {
	case 'a':
		r.anchor = value
		if name, ok := strings.CutSuffix(value, "*"); ok {
			r.anchor, r.recurse = strings.TrimSuffix(name, "/"), true
		}
	case 'd':
		r.disable = true
	case 'D':
		name, val, ok := strings.Cut(value, "=")
		if !ok {
			r.warn("could not parse macro definition %s", value)
			return nil
		}
		r.macros[name] = val
	case 'e':
		r.enable = true
	case 'E':
		r.take = true
	case 'f':
		fmt.Fprint(r.p.Stderr, pfctlBanner)
		r.file = value
	case 'F':
		return word(&r.flush, flushWords, "flush modifier")
	case 'k':
		if r.kill = append(r.kill, value); len(r.kill) > 2 {
			r.warn("can only specify -k twice")
			return errUsage
		}
	case 'K':
		if r.killSrc = append(r.killSrc, value); len(r.killSrc) > 2 {
			r.warn("can only specify -K twice")
			return errUsage
		}
	case 'n':
		r.noAction = true
	case 'o':
		return word(&r.optimize, optimizeWords, "optimization")
	case 'q':
		r.quiet = true
	case 's':
		return word(&r.show, showWords, "show modifier")
	case 't':
		r.tableName = value
	case 'T':
		return word(&r.table, tableWords, "table command")
	case 'v':
		r.verbose++
	case 'x':
		return word(&r.debug, debugWords, "debug level")
	case 'X':
		if strings.Trim(value, "0123456789") != "" || value == "" {
			r.warn("Invalid token value '%s'", value)
			return errUsage
		}
		r.release = value
	default:
		fmt.Fprintf(r.p.Stderr, "pfctl: illegal option -- %c\n", flag)
		return errUsage
	}
	return nil
}

// open opens pf, unless nothing is to be done.
func (r *pfctlRun) open() error {
	switch {
	case r.noAction:
		return nil
	case r.p.UID != 0:
		return r.die("/dev/pf: Permission denied")
	}
	r.say("No ALTQ support in kernel\nALTQ related functions disabled")
	return nil
}

// run does what was asked for, in pfctl's order.
func (r *pfctlRun) run() error {
	if r.file == "-" { // Whoever writes it may be another pfctl, which needs pf unlocked.
		var err error
		if r.stdin, err = io.ReadAll(r.p.Stdin); err != nil {
			return r.die("stdin: %v", err)
		}
	}
	r.pf.mu.Lock()
	defer r.pf.mu.Unlock()
	defer r.pf.announce()
	if r.noAction {
		r.disable, r.enable, r.take, r.release, r.flush, r.show = false, false, false, "", "", ""
		r.kill, r.killSrc = nil, nil
	}
	if r.disable {
		if !r.pf.enabled {
			return r.die("pf not enabled")
		}
		r.pf.disable(r.now)
		r.say("pf disabled")
	}
	if r.release != "" {
		if err := r.giveBack(); err != nil {
			return err
		}
	}
	if r.show != "" {
		r.showState()
	}
	if r.flush != "" {
		if err := r.flushState(); err != nil {
			return err
		}
	}
	if err := r.killStates(); err != nil {
		return err
	}
	var failed error
	if r.table != "" && r.table != "load" {
		failed = r.tableCommand()
	} else if r.file != "" {
		if err := r.loadRules(); err != nil {
			return err
		}
	}
	if r.enable {
		if r.pf.enabled {
			return r.die("pf already enabled")
		}
		r.pf.enable(r.now)
		r.pf.plain++
		r.say("pf enabled")
	}
	if r.debug != "" && !r.noAction {
		r.say("debug level set to '%s'", r.debug)
	}
	if r.take {
		token := r.pf.take(r.now, r.m.pfctlPID())
		r.say("pf enabled")
		fmt.Fprintf(r.p.Stderr, "Token : %s\n", token)
	}
	return failed
}

// pfctlPID is the number of the process that -s References names.
func (m *Mac) pfctlPID() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.nextPID++
	return m.nextPID
}

// giveBack is -X.
func (r *pfctlRun) giveBack() error {
	if !r.pf.enabled {
		return r.die("pf not enabled")
	}
	left, ok := r.pf.release(r.now, r.release)
	if !ok {
		return r.die("pf: token invalid")
	}
	if left == 0 {
		r.say("pf disabled") // Not seen on a Mac.
		return nil
	}
	r.say("disable request successful. %d more pf enable reference(s) remaining, pf still enabled.", left)
	return nil
}

// hidden refuses to change anchors that pfctl makes itself.
func (r *pfctlRun) hidden() error {
	if strings.HasPrefix(r.anchor, "_") || strings.Contains(r.anchor, "/_") {
		return r.die("anchor names beginning with '_' cannot be modified from the command line")
	}
	return nil
}

// flushState is -F.
func (r *pfctlRun) flushState() error {
	if err := r.hidden(); err != nil {
		return err
	}
	k := r.pf.kernel
	all := r.flush == "all"
	if all || r.flush == "rules" {
		k.Flush(r.anchor, pf.FilterRules)
		r.say("rules cleared")
	}
	if all || r.flush == "nat" {
		k.Flush(r.anchor, pf.NATRules)
		r.say("nat cleared")
	}
	if all || r.flush == "dummynet" {
		k.Flush(r.anchor, pf.DummynetRules)
		r.say("dummynet cleared")
	}
	if all || r.flush == "Tables" {
		r.say("%d tables deleted.", k.KillTables(r.anchor))
	}
	if r.flush == "states" || all && r.anchor == "" {
		r.say("%d states cleared", k.ClearStates())
	}
	if r.flush == "Sources" || all && r.anchor == "" {
		r.say("source tracking entries cleared")
	}
	if r.flush == "info" || all && r.anchor == "" {
		r.say("pf: statistics cleared")
	}
	if all && r.anchor == "" {
		k.ClearSkip()
		r.say("pf: interface flags reset")
	}
	return nil
}

// killStates is -k and -K. There are no source nodes to kill.
func (r *pfctlRun) killStates() error {
	if len(r.kill) > 0 {
		var ends [2]pf.TableEntry
		for i, word := range r.kill {
			prefix, ok := parseHost(r.host, word)
			if !ok {
				return r.die("getaddrinfo: nodename nor servname provided, or not known")
			}
			ends[i].Prefix = prefix
		}
		n := r.pf.kernel.KillStates(ends[0].Prefix, ends[1].Prefix)
		r.say("killed %d states from 1 sources and %d destinations", n, len(r.kill)-1)
	}
	if len(r.killSrc) > 0 {
		r.say("killed 0 src nodes from 1 sources and %d destinations", len(r.killSrc)-1)
	}
	return nil
}

// read is the text of a rule file, or of stdin for "-".
func (r *pfctlRun) read(name string) ([]byte, error) {
	if name == "-" {
		return r.stdin, nil
	}
	return r.host.Files(name)
}

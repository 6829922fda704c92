package sysfacts

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

//go:embed host.sh
var hostScript string

// Host is what one Mac is. It is shared by all who ask, and not to be changed. What is "", zero or nil is not known.
type Host struct {
	User         string // who logged in, before sudo
	Model        string // Mac14,3
	Chip         string // Apple M2
	Architecture string // arm64 or x86_64
	Version      string // of macOS: 15.6, or 13.3.1 (a) with a rapid security response
	Build        string
	Boot         time.Time // when it was started; it moves with the clock, when that is set

	ComputerName, LocalHostName string
	HostName                    string // "" also where none is set, as on most Macs

	FileVault *bool
	SIP       *bool // nil also where System Integrity Protection is on in part

	// Power is what pmset shows, by section and key: AC Power, Battery Power and UPS Power are what was set for each source, and
	// "System-wide power settings" what holds for all. A Mac shows the sources and the settings that it has.
	Power map[string]map[string]string
}

// LookAtHost returns what h is, by one remote call that all who ask share.
func LookAtHost(ctx context.Context, h *remote.Host) (*Host, error) {
	return remote.Ask(ctx, h, "host", func(ctx context.Context) (*Host, error) {
		result, err := h.Run(ctx, remote.Cmd{Script: hostScript})
		if err != nil {
			return nil, fmt.Errorf("sysfacts: reading what the Mac is: %w", err)
		}
		return parseHost(result.Records), nil
	})
}

func parseHost(records []remote.Record) *Host {
	host := &Host{Power: map[string]map[string]string{}}
	texts := map[string]*string{
		"model": &host.Model, "chip": &host.Chip, "architecture": &host.Architecture,
		"ComputerName": &host.ComputerName, "LocalHostName": &host.LocalHostName, "HostName": &host.HostName,
	}
	for _, r := range records {
		body := strings.TrimSpace(string(r.Body))
		if text := texts[r.Key]; text != nil {
			*text = body
		}
		switch r.Key {
		case "user":
			host.User = r.Args
		case "macos":
			host.Version, host.Build = versionOf(body)
		case "boot":
			host.Boot = bootOf(body)
		case "filevault":
			host.FileVault = stateOf(body, "FileVault is ", "On", "Off")
		case "sip":
			host.SIP = stateOf(body, "System Integrity Protection status: ", "enabled", "disabled")
		case "power":
			host.Power = powerOf(body)
		}
	}
	return host
}

// versionOf reads what sw_vers prints: lines of a name, a colon, TABs (one or two) and a value. There is a line
// ProductVersionExtra, "(a)", with a rapid security response.
func versionOf(out string) (version, build string) {
	var extra string
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); name {
		case "ProductVersion":
			version = value
		case "ProductVersionExtra":
			extra = " " + value
		case "BuildVersion":
			build = value
		}
	}
	return version + extra, build
}

var bootTime = regexp.MustCompile(`\bsec = (\d+)`)

// bootOf reads `{ sec = 1764212345, usec = 0 } Thu Nov 27 ...`.
func bootOf(out string) time.Time {
	m := bootTime.FindStringSubmatch(out)
	if m == nil {
		return time.Time{}
	}
	sec, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(sec, 0).UTC()
}

// stateOf is true or false after a prefix, by the word that follows; nil for other words, such as SIP's "unknown (Custom Configuration)."
// Longer answers begin in the same way: "FileVault is Off, but will be enabled after the next restart." is false.
func stateOf(out, prefix, on, off string) *bool {
	rest, ok := strings.CutPrefix(out, prefix)
	word := strings.FieldsFunc(rest, func(r rune) bool { return r == '.' || r == ',' || r == ' ' || r == '\n' })
	if !ok || len(word) == 0 || word[0] != on && word[0] != off {
		return nil
	}
	is := word[0] == on
	return &is
}

// powerOf reads what pmset shows: a line with a colon at its end for each section, and below it settings, whose names can have blanks.
// What pmset says of a value in parentheses, as of a sleep that a process prevents now, is not part of it.
func powerOf(out string) map[string]map[string]string {
	power := map[string]map[string]string{}
	section := ""
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, " \t\n")
		if name, ok := strings.CutSuffix(line, ":"); ok && !strings.HasPrefix(line, " ") {
			section = name
			continue
		}
		if i := strings.Index(line, " ("); i > 0 {
			line = line[:i]
		}
		fields := strings.Fields(line)
		if section == "" || len(fields) < 2 {
			continue
		}
		if power[section] == nil {
			power[section] = map[string]string{}
		}
		last := len(fields) - 1
		power[section][strings.Join(fields[:last], " ")] = fields[last]
	}
	return power
}

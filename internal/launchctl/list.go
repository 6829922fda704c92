package launchctl

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

//go:embed list.sh
var listScript string

// ErrNoDomain is a domain that launchd does not have, such as gui/501 while that user is not logged in at the screen.
var ErrNoDomain = errors.New("launchd has no such domain")

// Query says which jobs of a domain are asked for.
type Query struct {
	Domain string // system, gui/UID or user/UID
	Label  string // this one, whether it is there or not; "" for all
	Prefix string // of the labels
	Apple  bool   // also those of macOS, and the apps that run
}

// Entry is a job of a domain: what launchd has, or only a file that it would load, or a label that is disabled or enabled in its store.
type Entry struct {
	Label    string
	File     string  // in the folders that are loaded into the domain, by its name; "" for none
	Disabled bool    // in the store of the domain; whether the file says so is not looked at
	Loaded   *Loaded // nil: launchd does not have it
}

var validDomain = regexp.MustCompile(`^(system|(gui|user)/[0-9]{1,10})$`)

// CheckDomain returns why a domain cannot be asked for, or nil.
func CheckDomain(domain string) error {
	if !validDomain.MatchString(domain) {
		return errors.New("a domain is system, gui/UID or user/UID, such as gui/501")
	}
	return nil
}

// List returns the jobs of a domain on h, sorted by label. Errors are those of [remote.Host.Run], ErrNoDomain and ErrHangs.
func List(ctx context.Context, h *remote.Host, q Query) ([]Entry, error) {
	args := []string{q.Domain, q.Label, q.Prefix, word(q.Apple)}
	name := "launchd list " + strings.Join(args, " ")
	return remote.Ask(ctx, h, name, func(ctx context.Context) ([]Entry, error) {
		result, err := h.Run(ctx, remote.Cmd{Script: ctlScript + listScript, Args: args})
		if err != nil {
			return nil, fmt.Errorf("launchctl: listing jobs of %s: %w", q.Domain, err)
		}
		entries, err := q.parse(result.Records)
		if err != nil {
			return nil, fmt.Errorf("launchctl: listing jobs of %s: %w", q.Domain, err)
		}
		return entries, nil
	})
}

func (q Query) parse(records []remote.Record) ([]Entry, error) {
	all := map[string]*Entry{}
	entry := func(label string) *Entry {
		if all[label] == nil {
			all[label] = &Entry{Label: label}
		}
		return all[label]
	}
	if q.Label != "" {
		entry(q.Label)
	}
	disabled := map[string]bool{}
	for _, r := range records {
		switch r.Key {
		case "nodomain":
			return nil, ErrNoDomain
		case "hung":
			return nil, fmt.Errorf("%w: %s", ErrHangs, r.Args)
		case "disabled":
			disabled = parseDisabled(string(r.Body))
		case "file":
			label := strings.TrimSuffix(path.Base(r.Args), ".plist")
			if q.Label == "" || q.Label == label {
				entry(label).File = r.Args
			}
		case "print":
			if e := entry(r.Args); len(r.Body) > 0 {
				e.Loaded = parsePrint(string(r.Body))
			}
		}
	}
	for label, is := range disabled {
		apple := strings.HasPrefix(label, "com.apple.") || label == "com.openssh.sshd"
		if is && q.Label == "" && strings.HasPrefix(label, q.Prefix) && (q.Apple || !apple) {
			entry(label)
		}
	}
	var entries []Entry
	for _, e := range all {
		e.Disabled = disabled[e.Label]
		if q.Label != "" || e.File != "" || e.Loaded != nil || e.Disabled {
			entries = append(entries, *e)
		}
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Label, b.Label) })
	return entries, nil
}

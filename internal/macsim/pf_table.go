package macsim

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
)

// maxTableName is the longest name of a table.
const maxTableName = 31

// tableCommand is -t NAME -T COMMAND. Its failures end pfctl with 255.
func (r *pfctlRun) tableCommand() error {
	if r.tableName == "" || len(r.tableName) > maxTableName {
		return errUsage
	}
	wantsAddrs := r.table == "add" || r.table == "delete" || r.table == "replace" || r.table == "test"
	if !wantsAddrs && r.table != "expire" && (len(r.args) > 0 || r.file != "") {
		return errUsage
	}
	if r.tables = r.pf.kernel; r.noAction {
		r.tables = r.tables.Clone() // It is counted what would be done.
	}
	var entries []pf.TableEntry
	if wantsAddrs {
		var err error
		if entries, err = r.tableAddrs(); err != nil {
			return err
		}
	}
	k := r.tables
	switch r.table {
	case "add":
		r.makeTable()
		return r.counted("%d/" + strconv.Itoa(len(entries)) + " addresses added")(k.AddEntries(r.now, r.anchor, r.tableName, entries))
	case "delete":
		return r.counted("%d/" + strconv.Itoa(len(entries)) + " addresses deleted")(k.DeleteEntries(r.anchor, r.tableName, entries))
	case "replace":
		return r.replaceTable(entries)
	case "flush":
		return r.counted("%d addresses deleted")(k.FlushTable(r.anchor, r.tableName))
	case "kill":
		return r.counted("%d table deleted")(1, k.KillTable(r.anchor, r.tableName))
	case "zero":
		_, err := k.TableEntries(r.anchor, r.tableName)
		return r.counted("%d table/stats cleared")(1, err)
	case "expire":
		return r.expireTable()
	case "test":
		return r.testTable(entries)
	}
	found, err := k.TableEntries(r.anchor, r.tableName)
	if err != nil {
		return r.tableError(err)
	}
	for _, e := range found {
		r.printEntry(e)
	}
	return nil
}

func (r *pfctlRun) printEntry(e pf.TableEntry) {
	blanks := "   "
	if e.Not {
		blanks = "  "
	}
	fmt.Fprintln(r.p.Stdout, blanks+e.String())
}

// tableAddrs reads the addresses on the command line and those of -f.
func (r *pfctlRun) tableAddrs() ([]pf.TableEntry, error) {
	words := r.args
	if r.file != "" {
		text, err := r.read(r.file)
		if err != nil {
			return nil, r.fail255("cannot load %s: %v", r.file, err)
		}
		for line := range strings.Lines(string(text)) {
			line, _, _ = strings.Cut(line, "#")
			words = append(words, strings.Fields(line)...)
		}
	}
	var entries []pf.TableEntry
	for _, word := range words {
		found, err := pf.ParseEntries(r.host, word)
		var errs pf.Errors
		if errors.As(err, &errs) {
			for _, line := range errs.Lines() {
				fmt.Fprintln(r.p.Stderr, line)
			}
			return nil, exitError(255)
		}
		if err != nil {
			return nil, r.fail255("cannot decode %s: Invalid argument", word)
		}
		entries = append(entries, found...)
	}
	return entries, nil
}

func (r *pfctlRun) fail255(format string, args ...any) error {
	r.warn(format, args...)
	return exitError(255)
}

func (r *pfctlRun) tableError(err error) error {
	switch {
	case errors.Is(err, pf.ErrNoAnchor):
		return r.fail255("Anchor or Ruleset does not exist.")
	case errors.Is(err, pf.ErrNoTable):
		return r.fail255("Table does not exist.")
	}
	return r.fail255("Operation not permitted.")
}

// count prints a line about a number, which ends in a dot.
func (r *pfctlRun) count(format string, args ...any) {
	end := "."
	if r.noAction {
		if end = " (syntax only)."; r.p.UID == 0 {
			end = " (dummy)."
		}
	}
	r.say(format+end, args...)
}

// counted prints a number or an error.
func (r *pfctlRun) counted(format string) func(n int, err error) error {
	return func(n int, err error) error {
		if err != nil {
			return r.tableError(err)
		}
		r.count(format, n)
		return nil
	}
}

func (r *pfctlRun) makeTable() {
	if r.tables.MakeTable(r.anchor, r.tableName) {
		r.warnCollisions(r.tableName)
		r.count("1 table created")
	}
}

func (r *pfctlRun) replaceTable(entries []pf.TableEntry) error {
	r.makeTable()
	added, deleted, changed, err := r.tables.ReplaceEntries(r.now, r.anchor, r.tableName, entries)
	if err != nil {
		return r.tableError(err)
	}
	for _, c := range []struct {
		n    int
		what string
	}{{added, "added"}, {deleted, "deleted"}, {changed, "changed"}} {
		if c.n > 0 {
			r.count("%d addresses %s", c.n, c.what)
		}
	}
	if added+deleted+changed == 0 {
		r.count("no changes")
	}
	return nil
}

func (r *pfctlRun) expireTable() error {
	if len(r.args) != 1 {
		return errUsage
	}
	seconds, err := strconv.ParseUint(r.args[0], 10, 32)
	if err != nil {
		return r.die("expiry time: invalid")
	}
	n, err := r.tables.ExpireEntries(r.now, r.anchor, r.tableName, time.Duration(seconds)*time.Second)
	return r.counted("%d/"+strconv.Itoa(n)+" addresses expired")(n, err)
}

func (r *pfctlRun) testTable(entries []pf.TableEntry) error {
	if _, err := r.tables.TableEntries(r.anchor, r.tableName); err != nil {
		return r.tableError(err)
	}
	n := 0
	for _, e := range entries {
		if r.tables.InTable(r.anchor, r.tableName, e.Prefix.Addr()) {
			n++
		}
	}
	r.count("%d/%d addresses match", n, len(entries))
	if n < len(entries) {
		return exitError(2)
	}
	return nil
}

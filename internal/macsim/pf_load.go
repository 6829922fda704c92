package macsim

import (
	"errors"
	"fmt"

	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
)

// loadRules is -f: it reads a rule text, and with "load anchor" more of them, and replaces what the kernel has by them all at
// once, or by nothing when there is an error. Loads wait for each other; on a Mac the second of two at once may fail with
// "Resource busy".
func (r *pfctlRun) loadRules() error {
	if err := r.hidden(); err != nil {
		return err
	}
	main, err := r.readRules(r.file, r.anchor, r.optimize != "none")
	if err != nil {
		return err
	}
	files := []*pf.File{main}
	if r.anchor == "" {
		for _, l := range main.Loads {
			if r.verbose > 0 {
				fmt.Fprintf(r.p.Stderr, "\nLoading anchor %s from %s\n", l.Anchor, l.Path)
			}
			f, err := r.readRules(l.Path, l.Anchor, main.Optimized())
			if err != nil {
				r.warn("load anchors")
				return err
			}
			files = append(files, f)
		}
	}
	if r.noAction {
		return nil
	}
	if err := r.pf.kernel.Load(r.now, files...); err != nil {
		return r.die("DIOCADDRULE: Invalid argument")
	}
	r.warnCollisions("")
	return nil
}

// readRules reads one text for one anchor and prints what -v prints of it.
func (r *pfctlRun) readRules(name, anchor string, optimize bool) (*pf.File, error) {
	text, err := r.read(name)
	if err != nil {
		r.warn("%s: %v", name, err)
		r.warn("cannot open the main config file!: %v", err)
		return nil, r.notLoaded()
	}
	opts := pf.Options{Host: r.host, Anchor: anchor, Optimize: optimize, Macros: r.macros}
	if !r.noAction {
		opts.TableName = r.pf.newTable
	}
	f, err := pf.Parse(name, text, opts)
	var errs pf.Errors
	if errors.As(err, &errs) {
		if r.verbose > 0 {
			r.print(f.Echo)
		}
		for _, line := range errs.Lines() {
			fmt.Fprintln(r.p.Stderr, line)
		}
		return nil, r.notLoaded()
	}
	if r.verbose > 0 {
		r.print(f.Verbose())
	}
	return f, nil
}

func (r *pfctlRun) notLoaded() error {
	if !r.noAction {
		r.warn("Syntax error in config file: pf rules not loaded")
	}
	return exitError(1)
}

// newTable is the name of a table that the optimizer makes.
func (s *pfState) newTable() string {
	s.tables++
	return fmt.Sprintf("__automatic_%x_%d", uint32(0x9d5cb1f3), s.tables-1)
}

// warnCollisions warns of tables of the main ruleset that an anchor has too; of one name only unless it is "".
func (r *pfctlRun) warnCollisions(name string) {
	var found []string
	for _, t := range r.pf.kernel.Tables("") {
		if name != "" && t != name {
			continue
		}
		for _, a := range r.pf.kernel.Anchors() {
			if r.pf.kernel.TableFlags(a, t) != "" {
				found = append(found, t)
				break
			}
		}
	}
	switch len(found) {
	case 0:
	case 1:
		r.warn("warning: namespace collision with <%s> global table.", found[0])
	default:
		r.warn("warning: %d namespace collisions with global tables.", len(found))
	}
}

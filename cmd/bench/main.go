//go:build unix

// Command bench measures what plans and applies take of time, connections and memory, over real OpenSSH: each Mac is an sshd of its own
// with the settings that it comes with, behind which a simulated Mac answers, half a round trip away in each direction. The CLI, the
// provider and ssh's configuration are those that people have.
//
// A plan without changes is measured against what it cannot do without: the same plan with a provider that does nothing, and one bare
// `ssh mini-01 true`. They take turns, so that all meet the same machine. Figures are medians.
//
// It needs sshd, and neither root nor a Mac. `make bench` runs it, and sees to it that there is a CLI.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"
)

var (
	roundTrip = flag.Duration("rtt", 50*time.Millisecond, "how far away the Macs are: a round trip")
	runs      = flag.Int("runs", 5, "of how many runs a figure is the median")
	only      = flag.Int("macs", 0, "measure only the fleet of so many Macs")
	untimed   = flag.Bool("untimed", false, "judge what is counted only, not what took time, as on a machine that has other things to do")
)

func main() {
	flag.Parse()
	// What the simulated Macs take of the machine is not what is measured.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(2 << 30)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	good, err := bench(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	if err != nil || !good {
		stop()
		os.Exit(1)
	}
}

// one is a Mac with a hundred anchors, many a fleet with ten resources on each.
const (
	one = `
resource "macos_pf_anchor" "test" {
  count = 100
  name  = "bench.${count.index}"
  rules = <<-EOT
    pass in proto tcp from 192.168.1.0/24 to any port ${1000 + count.index}
    pass in proto udp from any to any port ${3000 + count.index}
    block drop in proto tcp from any to any port ${2000 + count.index}
  EOT
}
`
	many = `
locals { macs = toset(keys(var.hosts)) }

resource "macos_pf" "test" {
  for_each = local.macs
  host     = each.key
}

resource "macos_pf_anchor" "test" {
  for_each = { for p in setproduct(local.macs, range(6)) : "${p[0]}-${p[1]}" => p }
  host     = each.value[0]
  name     = "bench.${each.value[1]}"
  rules    = <<-EOT
    pass in proto tcp from 192.168.1.0/24 to any port ${1000 + each.value[1]}
    block drop in proto tcp from any to any port ${2000 + each.value[1]}
  EOT
}

resource "macos_launchdaemon" "test" {
  for_each          = { for p in setproduct(local.macs, range(3)) : "${p[0]}-${p[1]}" => p }
  host              = each.value[0]
  label             = "bench.${each.value[1]}"
  program_arguments = ["/bin/sh", "-c", "exec sleep 600"]
  start_interval    = 3600
}
`
)

// bench measures everything and prints the table. It is false when a figure is worse than its limit.
func bench(ctx context.Context) (good bool, err error) {
	path, err := findCLI()
	if err != nil {
		return false, err
	}
	dir, err := os.MkdirTemp("", "macos-bench-")
	if err != nil {
		return false, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	progress("building")
	relay := filepath.Join(dir, "relay")
	if err := build(ctx, "./cmd/bench/relay", relay); err != nil {
		return false, err
	}
	real, err := newCLI(ctx, path, filepath.Join(dir, "real"), ".")
	if err != nil {
		return false, err
	}
	idle, err := newCLI(ctx, path, filepath.Join(dir, "idle"), "./cmd/bench/idle")
	if err != nil {
		return false, err
	}

	t := &table{}
	for _, b := range []struct {
		macs, resources int
		config          string
		ratio           float64
	}{{1, 100, one, 1.15}, {10, 100, many, 1.15}, {50, 500, many, 1.5}} {
		if *only != 0 && *only != b.macs {
			continue
		}
		f, err := newFleet(filepath.Join(dir, fmt.Sprint("fleet-", b.macs)), relay, b.macs, *roundTrip)
		if err != nil {
			return false, err
		}
		err = func() error {
			defer f.close()
			if err := f.configure(b.config); err != nil {
				return err
			}
			if b.macs == 1 {
				if err := t.apply(ctx, real, f, b.resources); err != nil {
					return err
				}
			} else if _, err := real.run(ctx, f.dir, "apply", "-auto-approve"); err != nil {
				return err
			}
			return t.plan(ctx, real, idle, f, b.resources, b.ratio)
		}()
		if err != nil {
			return false, err
		}
	}
	t.print(path)
	return !t.missed, nil
}

// configure writes a configuration for the whole fleet.
func (f *fleet) configure(resources string) error {
	var hosts strings.Builder
	for _, h := range f.hosts {
		fmt.Fprintf(&hosts, "    %s = {}\n", h.name)
	}
	text := fmt.Sprintf(`terraform {
  required_providers {
    macos = { source = "macos-fleet/macos" }
  }
}

variable "hosts" {
  default = {
%s  }
}

provider "macos" {
  hosts           = var.hosts
  ssh_config_file = %q
}
`, &hosts, filepath.Join(f.dir, "ssh_config"))
	return os.WriteFile(filepath.Join(f.dir, "main.tf"), []byte(text+resources), 0o600)
}

// apply measures how a Mac gets its resources, which stay. Each confirmation is a login and a command.
func (t *table) apply(ctx context.Context, real *cli, f *fleet, resources int) error {
	before := f.count()
	if err := f.bare(ctx); err != nil {
		return err
	}
	confirmation := f.count().since(before).roundTrips
	var took []time.Duration
	var counts []count
	for i := range *runs {
		if i > 0 {
			progress("destroying")
			if _, err := real.run(ctx, f.dir, "destroy", "-auto-approve"); err != nil {
				return err
			}
		}
		progress("applying %d anchors", resources)
		before := f.count()
		d, err := real.run(ctx, f.dir, "apply", "-auto-approve")
		if err != nil {
			return err
		}
		took, counts = append(took, d), append(counts, f.count().since(before))
	}
	all := median(counts, func(c count) int { return c.roundTrips })
	confirmations := median(counts, func(c count) int { return c.connections }) - 1
	each := float64(all-confirmations*confirmation) / float64(resources)
	title := fmt.Sprintf("apply of %d new anchors on one Mac", resources)
	t.row(title+": round trips for each, beyond confirmations", fmt.Sprintf("%.2f", each), "2", each <= 2)
	t.row("&nbsp; confirmations that they share, round trips of each", fmt.Sprintf("%d, %d", confirmations, confirmation), "", true)
	t.row("&nbsp; time", seconds(median(took, same)), "", true)
	return nil
}

// plan measures a plan without changes.
func (t *table) plan(ctx context.Context, real, idle *cli, f *fleet, resources int, limit float64) error {
	var took, nothing, login []time.Duration
	var counts []count
	real.peak = 0
	for i := range *runs {
		progress("planning: %d Macs, %d resources, %d of %d", len(f.hosts), resources, i+1, *runs)
		start := time.Now()
		if err := f.bare(ctx); err != nil {
			return err
		}
		login = append(login, time.Since(start))
		d, err := idle.run(ctx, f.dir, "plan", "-detailed-exitcode")
		if err != nil {
			return err
		}
		nothing = append(nothing, d)
		before := f.count()
		if d, err = real.run(ctx, f.dir, "plan", "-detailed-exitcode"); err != nil {
			return err
		}
		took, counts = append(took, d), append(counts, f.count().since(before))
	}
	least := median(nothing, same) + median(login, same)
	ratio := median(took, same).Seconds() / least.Seconds()
	macs := len(f.hosts)
	title := fmt.Sprintf("plan without changes, %d Macs, %d resources", macs, resources)
	if macs == 1 {
		title = fmt.Sprintf("plan without changes, 1 Mac, %d anchors", resources)
	}
	most := fmt.Sprintf("%.2f times", limit)
	if *untimed {
		most = ""
	}
	t.row(title, fmt.Sprintf("%s, %.2f times (%s + %s)", seconds(median(took, same)), ratio, seconds(median(nothing, same)), seconds(median(login, same))),
		most, ratio <= limit || *untimed)
	each := func(n func(count) int) float64 { return float64(median(counts, n)) / float64(macs) }
	connections, logins := each(func(c count) int { return c.connections }), each(func(c count) int { return c.logins })
	t.row("&nbsp; connections, logins for each Mac", fmt.Sprintf("%.2f, %.2f", connections, logins), "1, 1", connections == 1 && logins == 1)
	execs, scripts := each(func(c count) int { return c.execs }), each(func(c count) int { return c.scripts })
	t.row("&nbsp; commands over SSH for each Mac, and scripts that its shell was sent", fmt.Sprintf("%.2f, %.2f", execs, scripts), "1, 3", execs == 1 && scripts <= 3)
	trips := each(func(c count) int { return c.roundTrips })
	t.row("&nbsp; round trips for each Mac, the login among them", fmt.Sprintf("%.1f", trips), "12", trips <= 12)
	if real.peak > 0 {
		mb := float64(real.peak) * 1024 / 1e6
		t.row("&nbsp; memory of the provider, at most", fmt.Sprintf("%.0f MB", mb), "60 MB", mb < 60)
	}
	return nil
}

// table is the figures, as rows of Markdown.
type table struct {
	rows   []string
	missed bool // a limit
}

func (t *table) row(what, figure, limit string, good bool) {
	verdict := ""
	switch {
	case !good:
		verdict, t.missed = "**missed**", true
	case limit != "":
		verdict = "met"
	}
	t.rows = append(t.rows, fmt.Sprintf("| %s | %s | %s | %s |", what, figure, limit, verdict))
	progress("%s", t.rows[len(t.rows)-1])
}

func (t *table) print(cli string) {
	said, _ := exec.Command(cli, "version").Output()
	product, _, _ := strings.Cut(string(said), "\n")
	fmt.Printf("%s, %s, %d cores, round trip %v, medians of %d:\n\n", product, runtime.GOOS+"/"+runtime.GOARCH, runtime.NumCPU(), *roundTrip, *runs)
	fmt.Println("| what | measured | limit | |\n|---|---|---|---|\n" + strings.Join(t.rows, "\n"))
}

// median is the one in the middle, of what value says of each.
func median[T any, V int | time.Duration](all []T, value func(T) V) V {
	var values []V
	for _, v := range all {
		values = append(values, value(v))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func same(d time.Duration) time.Duration { return d }

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

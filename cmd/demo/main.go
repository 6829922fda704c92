// Command demo walks the road of examples/tailscale-only: three simulated Macs, the provider as built from this checkout,
// and the real CLI between them. It ends with a verdict, and with exit status 1 if anything was not as it should be.
//
// `make demo` runs it, and sees to it that there is a CLI.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	start := time.Now()
	if err := demo(ctx); err != nil {
		failed(err)
		stop()
		os.Exit(1)
	}
	passed("in %.0f s: a lock-out foreseen, and undone by the Mac, three Macs set up, two drifts shown and repaired, a reboot survived, no trace left", time.Since(start).Seconds())
}

const (
	anchor = "macos_pf_anchor.tailscale_only"
	job    = "macos_launchdaemon.pf_counters"
	plist  = "/Library/LaunchDaemons/com.example.pf-counters.plist"
)

// demo is the story. Each step shows what is done and what comes of it; the first that goes wrong is the last.
func demo(ctx context.Context) error {
	chapter("Three Macs in an office",
		"They are simulated: SSH servers with a shell, files, pf and launchd. Everything else is real.\n"+
			"Each listens on more ports than its owner knows of: SSH 22, file sharing 445, AirPlay 5000 and 7000,\n"+
			"Screen Sharing 5900, something of a developer's 8080, and WireGuard 41641, which is Tailscale.")
	fleet, err := newFleet("mini-01", "mini-02", "mini-03")
	if err != nil {
		return err
	}
	defer fleet.close()
	if err := fleet.reach(fleet.names...); err != nil {
		return err
	}
	asFound := fleet.snapshots()

	tf, err := newCLI(ctx, fleet)
	if err != nil {
		return err
	}
	defer tf.close()
	if err := tf.firstTry(ctx, fleet); err != nil {
		return err
	}

	chapter("One configuration for all of them", "The configuration is examples/tailscale-only, without its checks.")
	if err := tf.manage(fleet, fleet.names...); err != nil {
		return err
	}
	if err := tf.create(ctx); err != nil {
		return err
	}
	if err := fleet.reach(); err != nil {
		return err
	}
	asApplied := fleet.snapshots()

	chapter("A hand meddles", "On mini-02 somebody is in a hurry, and flushes the rules.")
	if err := fleet.byHand(ctx, "mini-02", "pfctl -q -a tailscale-only -F rules"); err != nil {
		return err
	}
	if err := fleet.reach("mini-02"); err != nil {
		return err
	}
	say("On mini-03 somebody finds an hour too long, and edits the job's property list.")
	if err := fleet.edit("mini-03", plist, "3600", "60"); err != nil {
		return err
	}

	chapter("The plan shows both", "Of the anchor, the very rules that are gone. Of the job, the file, and what launchd still runs.")
	if err := tf.expect(ctx, changes, os.Stdout, "plan", "-detailed-exitcode", "-out=repair.tfplan"); err != nil {
		return err
	}
	if err := tf.check(ctx, "repair.tfplan", map[string]string{anchor + `["mini-02"]`: "update", job + `["mini-03"]`: "update"}); err != nil {
		return err
	}

	chapter("Apply repairs both", "And nothing else: afterwards each Mac is byte for byte as it was before the hand.")
	if err := tf.run(ctx, "apply", "repair.tfplan"); err != nil {
		return err
	}
	if err := fleet.reach(); err != nil {
		return err
	}
	if err := fleet.compare(asApplied); err != nil {
		return fmt.Errorf("after the repair, %w", err)
	}

	chapter("All three restart", "The kernel forgets its rules when a Mac restarts, and macOS starts with pf switched off.")
	fleet.reboot()
	if err := fleet.byHand(ctx, "mini-01", "pfctl -q -a tailscale-only -s rules"); err != nil {
		return err
	}
	if err := fleet.reach(); err != nil {
		return err
	}
	if err := tf.expect(ctx, noChanges, os.Stdout, "plan", "-detailed-exitcode"); err != nil {
		return err
	}

	chapter("Destroy leaves no trace", "What was there before stays as it was; what was not is gone.")
	if err := tf.brief(ctx, 0, "Plan:", "plan", "-destroy", "-out=destroy.tfplan"); err != nil {
		return err
	}
	if err := tf.run(ctx, "apply", "destroy.tfplan"); err != nil {
		return err
	}
	if err := fleet.reach(fleet.names...); err != nil {
		return err
	}
	if err := fleet.compare(asFound); err != nil {
		return fmt.Errorf("after destroy, %w", err)
	}
	say("Each Mac is as it was found: every file with its owner and mode, pf and launchd.")
	return nil
}

// firstTry has rules that forget to let answers back in. Mac and provider both notice, before and after.
func (c *cli) firstTry(ctx context.Context, f *fleet) error {
	const passOut = "\n    pass out on en0 all keep state\n"
	chapter("The first try", "The provider is built from this checkout. Its first configuration, for mini-01 alone, forgets one line: the answers to what\n"+
		"the Mac asks for have to come back in. Without it Tailscale loses its relay, and with it goes SSH.")
	if err := c.manage(f, "mini-01"); err != nil {
		return err
	}
	if err := c.brief(ctx, 0, "Installed", "init"); err != nil {
		return err
	}
	if err := c.rewrite(passOut, "\n"); err != nil {
		return err
	}
	if err := c.fails(ctx, "plan"); err != nil {
		return err
	}

	chapter("The first try, by force", "Who knows better may say so. Then pf is enabled, SSH to the Mac dies, and nobody has to walk there.\n"+
		"(The Macs' clocks run ten times faster than yours.)")
	if err := c.rewrite(
		`name  = "tailscale-only"`, `name  = "tailscale-only"`+"\n  allow_lockout = true",
		"  depends_on = [macos_pf_anchor.tailscale_only]", "  allow_lockout = true\n  depends_on = [macos_pf_anchor.tailscale_only]",
	); err != nil {
		return err
	}
	end := f.follow()
	err := c.fails(ctx, "apply", "-auto-approve", "-compact-warnings")
	seen := end()
	if err != nil {
		return err
	}
	say("Meanwhile, from the tailnet:\n\n%s", strings.Join(seen, "\n"))
	if len(seen) != 2 {
		return errors.New("SSH to mini-01 should have died, and come back")
	}
	if err := f.byHand(ctx, "mini-01", "pfctl -q -s info | head -1"); err != nil {
		return err
	}
	if err := f.reach(f.names...); err != nil {
		return err
	}
	return c.rewrite("\n  allow_lockout = true", "", "\n  allow_lockout = true", "", "decides.\n\n    # What the Mac starts itself may go out, and the answers may come back.\n",
		"decides.\n\n    # What the Mac starts itself may go out, and the answers may come back."+passOut)
}

// create applies the configuration to Macs that know nothing of it yet. What it plans is three times the same, and not shown.
func (c *cli) create(ctx context.Context) error {
	if err := c.brief(ctx, changes, "Plan:", "plan", "-detailed-exitcode", "-out=create.tfplan"); err != nil {
		return err
	}
	return c.run(ctx, "apply", "-compact-warnings", "create.tfplan")
}

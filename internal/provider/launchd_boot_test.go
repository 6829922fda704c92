package provider

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
)

// A daemon that enables pf and loads its rules does so at every boot, before or after macOS has loaded its own main ruleset: nothing
// orders the two. That takes no login at the screen, where FileVault does not wait for one.
func TestLaunchdaemon_boot(t *testing.T) {
	for name, early := range map[string]bool{"after-macos": false, "before-macos": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mac := simulated(t)
			mac.SetLaunchd(macsim.Launchd{Early: early})
			mac.sh(`printf 'pass out on en0 all keep state\nblock drop in on en0 proto tcp from any to any port 8080\n' >/etc/pf.anchors/tailscale-only
printf 'anchor "tailscale-only"\nload anchor "tailscale-only" from "/etc/pf.anchors/tailscale-only"\n' >>/etc/pf.conf`)
			config := mac.daemon("com.pf.tailscale-only", `  program_arguments   = ["/sbin/pfctl", "-E", "-f", "/etc/pf.conf"]
  run_at_load         = true
  standard_error_path = "/var/log/com.pf.tailscale-only.log"`)
			check := func() {
				out := mac.sh(`/sbin/pfctl -q -s info | grep -c 'Status: Enabled'
/sbin/pfctl -q -a tailscale-only -s rules
/sbin/pfctl -q -s rules | grep tailscale
/bin/launchctl print system/com.pf.tailscale-only | grep -e 'runs =' -e 'last exit'`)
				want := `1
pass out on en0 all flags S/SA keep state
block drop in on en0 proto tcp from any to any port = 8080
anchor "tailscale-only" all
	runs = 1
	last exit code = 0
`
				if out != want {
					t.Errorf("after a reboot:\n%s", diff(want, out))
				}
			}
			resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: []resource.TestStep{
				{Config: config},
				{
					PreConfig:        func() { mac.Reboot(); check() },
					Config:           config,
					ConfigPlanChecks: plannedDaemon(plancheck.ResourceActionNoop),
				},
			}})
		})
	}
}

package provider

import (
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
)

// A Mac with Tailscale or without says which, a real one as well.
func TestTailscale_basic(t *testing.T) {
	macs(t, func(t *testing.T, mac *testMac) {
		mac.run(resource.TestStep{Config: mac.source("macos_tailscale", ""), ConfigStateChecks: []statecheck.StateCheck{
			of("macos_tailscale", "installed", knownvalue.NotNull()),
		}})
	})
}

func TestTailscale_none(t *testing.T) {
	onVersions(t, macsim.Mac{}, func(t *testing.T, mac *testMac) {
		checks := []statecheck.StateCheck{of("macos_tailscale", "installed", knownvalue.Bool(false))}
		for _, attribute := range []string{"variant", "version", "state", "hostname", "dns_name", "addresses", "ssh", "key_expiry", "peers"} {
			checks = append(checks, of("macos_tailscale", attribute, knownvalue.Null()))
		}
		mac.run(resource.TestStep{Config: mac.source("macos_tailscale", ""), ConfigStateChecks: checks})
	})
}

func TestTailscale_versions(t *testing.T) {
	onVersions(t, macsim.Mac{TailscaleSSH: true, Tailscale: macsim.Tailscale{
		Variant: "homebrew", KeyExpiry: time.Date(2027, 5, 1, 12, 0, 0, 0, time.UTC),
		Peers: []macsim.Peer{
			{HostName: "runner", OS: "linux", Addrs: []string{"100.101.102.103"}, CurAddr: "203.0.113.7:41641", Relay: "fra", Online: true, Active: true},
			{HostName: "book", OS: "macOS", Addrs: []string{"100.70.1.3"}, Relay: "fra", Online: true, Active: true},
			{HostName: "gate", OS: "linux", Addrs: []string{"100.70.1.4"}, PeerRelay: "198.51.100.50:41641:1", Relay: "nyc", Online: true, Active: true},
			{HostName: "old", OS: "windows", Addrs: []string{"100.70.1.6"}},
		},
	}}, func(t *testing.T, mac *testMac) {
		text := func(s string) knownvalue.Check {
			if s == "" {
				return knownvalue.Null()
			}
			return knownvalue.StringExact(s)
		}
		peer := func(name, os, address string, online bool, path, endpoint, derp string) knownvalue.Check {
			return knownvalue.ObjectExact(map[string]knownvalue.Check{
				"hostname": text(name), "dns_name": text(name + ".tail-scale.ts.net"), "os": text(os), "addresses": texts(address),
				"online": knownvalue.Bool(online), "path": text(path), "endpoint": text(endpoint), "derp": text(derp),
			})
		}
		mac.run(resource.TestStep{Config: mac.source("macos_tailscale", ""), ConfigStateChecks: []statecheck.StateCheck{
			of("macos_tailscale", "installed", knownvalue.Bool(true)),
			of("macos_tailscale", "variant", text("tailscaled")),
			of("macos_tailscale", "version", text("1.102.2")),
			of("macos_tailscale", "state", text("Running")),
			of("macos_tailscale", "hostname", text("mini")),
			of("macos_tailscale", "dns_name", text("mini.tail-scale.ts.net")),
			of("macos_tailscale", "addresses", texts("100.64.0.5")),
			of("macos_tailscale", "ssh", knownvalue.Bool(true)),
			of("macos_tailscale", "key_expiry", text("2027-05-01T12:00:00Z")),
			of("macos_tailscale", "peers", knownvalue.ListExact([]knownvalue.Check{
				peer("book", "macOS", "100.70.1.3", true, "derp", "", "fra"),
				peer("gate", "linux", "100.70.1.4", true, "peer-relay", "198.51.100.50:41641:1", "nyc"),
				peer("old", "windows", "100.70.1.6", false, "", "", ""),
				peer("runner", "linux", "100.101.102.103", true, "direct", "203.0.113.7:41641", "fra"),
			})),
		}})
	})
}

// The app answers its user at the screen, and nobody else; that it is silent is no error.
func TestTailscale_app(t *testing.T) {
	for variant, ssh := range map[string]bool{"app-store": false, "standalone": false} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			sim := macsim.Start(t, macsim.Mac{Second: second, Tailscale: macsim.Tailscale{Variant: variant, Version: "1.98.0"}})
			mac := &testMac{Mac: sim, t: t, provider: providerBlock(sim)}
			const check = `
check "tailnet" {
  assert {
    condition     = data.macos_tailscale.test.state == "Running"
    error_message = "Tailscale is not up on mini. It is the ${data.macos_tailscale.test.variant} app, so somebody must log in at the screen."
  }
}
`
			config := mac.source("macos_tailscale", "") + check
			says := func(c ...string) resource.ConfigPlanChecks {
				return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{checkSays(append([]string{"check.tailnet"}, c...))}}
			}
			mac.run(
				resource.TestStep{
					Config: config, ConfigPlanChecks: says("Tailscale is not up on mini. It is the " + variant + " app, so somebody must log in at the screen."),
					ConfigStateChecks: []statecheck.StateCheck{
						of("macos_tailscale", "version", knownvalue.StringExact("1.98.0")),
						of("macos_tailscale", "state", knownvalue.Null()),
						of("macos_tailscale", "peers", knownvalue.Null()),
						of("macos_tailscale", "ssh", knownvalue.Bool(ssh)),
					},
				},
				resource.TestStep{
					PreConfig: func() {
						if err := sim.LogIn("admin"); err != nil {
							t.Error(err)
						}
					},
					Config: config, ConfigPlanChecks: says(),
					ConfigStateChecks: []statecheck.StateCheck{
						of("macos_tailscale", "state", knownvalue.StringExact("Running")),
						of("macos_tailscale", "variant", knownvalue.StringExact(variant)),
					},
				},
				resource.TestStep{PreConfig: func() { sim.LogOut("admin") }, Config: config},
			)
		})
	}
}

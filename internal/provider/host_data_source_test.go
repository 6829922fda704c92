package provider

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
)

// onVersions runs a test on simulated Macs with the oldest macOS that is supported, one between, and the newest.
func onVersions(t *testing.T, mac macsim.Mac, test func(*testing.T, *testMac)) {
	t.Helper()
	for _, version := range []string{"12.7.6", "15.6", "26.5.1"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			mac := mac
			mac.Version, mac.Second = version, second
			sim := macsim.Start(t, mac)
			test(t, &testMac{Mac: sim, t: t, provider: providerBlock(sim)})
		})
	}
}

// source is a configuration with a data source of this type, test, that says so.
func (m *testMac) source(kind, body string) string {
	return m.provider + "data \"" + kind + "\" \"test\" {\n" + body + "}\n"
}

// of expects this of a data source.
func of(kind, attribute string, want knownvalue.Check) statecheck.StateCheck {
	return statecheck.ExpectKnownValue("data."+kind+".test", tfjsonpath.New(attribute), want)
}

func texts(values ...string) knownvalue.Check {
	all := make([]knownvalue.Check, len(values))
	for i, v := range values {
		all[i] = knownvalue.StringExact(v)
	}
	return knownvalue.ListExact(all)
}

// What every Mac tells, a real one as well.
func TestHost_basic(t *testing.T) {
	macs(t, func(t *testing.T, mac *testMac) {
		var checks []statecheck.StateCheck
		for _, attribute := range []string{
			"model", "chip", "architecture", "macos_version", "macos_build", "boot_time", "computer_name", "local_hostname", "user", "ssh", "interfaces",
			"public_addresses", "filevault", "sleep_disabled", "sleep_warnings",
		} {
			checks = append(checks, of("macos_host", attribute, knownvalue.NotNull()))
		}
		mac.run(resource.TestStep{Config: mac.source("macos_host", ""), ConfigStateChecks: checks})
	})
}

// A Mac that has no network has no default route, which is another thing than one that does not tell.
func TestHost_offline(t *testing.T) {
	sim := macsim.Start(t, macsim.Mac{Interfaces: []macsim.Interface{{Name: "lo0", Addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}}}})
	mac := &testMac{Mac: sim, t: t, provider: providerBlock(sim)}
	mac.run(resource.TestStep{Config: mac.source("macos_host", ""), ConfigStateChecks: []statecheck.StateCheck{
		of("macos_host", "default_interface", knownvalue.Null()),
		of("macos_host", "default_interfaces", knownvalue.ListSizeExact(0)),
		of("macos_host", "public_addresses", knownvalue.ListSizeExact(0)),
		of("macos_host", "tailnet_interface", knownvalue.Null()),
	}})
}

func TestHost_versions(t *testing.T) {
	onVersions(t, macsim.Mac{About: macsim.About{Model: "MacBookPro18,3", Chip: "Apple M1 Pro", FileVault: "On.", SIP: "unknown (Custom Configuration)."}}, func(t *testing.T, mac *testMac) {
		text := knownvalue.StringExact
		sleeps := func(minutes int64, womp bool) knownvalue.Check {
			return knownvalue.ObjectPartial(map[string]knownvalue.Check{
				"sleep": knownvalue.Int64Exact(minutes), "womp": knownvalue.Bool(womp), "autorestart": knownvalue.Null(), "disksleep": knownvalue.Int64Exact(10),
			})
		}
		mac.sh("/usr/bin/pmset -b sleep 5")
		mac.run(resource.TestStep{Config: mac.source("macos_host", "  host = \"mini\"\n"), ConfigStateChecks: []statecheck.StateCheck{
			of("macos_host", "model", text("MacBookPro18,3")),
			of("macos_host", "chip", text("Apple M1 Pro")),
			of("macos_host", "architecture", text("arm64")),
			of("macos_host", "macos_version", text(mac.Version)),
			of("macos_host", "macos_build", knownvalue.StringRegexp(regexp.MustCompile(`^\d\dG90$`))),
			of("macos_host", "boot_time", knownvalue.StringRegexp(regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`))),
			of("macos_host", "computer_name", text("mini")),
			of("macos_host", "local_hostname", text("mini")),
			of("macos_host", "hostname", knownvalue.Null()),
			of("macos_host", "user", text("admin")),
			of("macos_host", "ssh", knownvalue.ObjectExact(map[string]knownvalue.Check{
				"client_address": text("127.0.0.1"), "server_address": text("127.0.0.1"), "server_port": knownvalue.NotNull(), "interface": text("lo0"),
			})),
			of("macos_host", "interfaces", knownvalue.ListPartial(map[int]knownvalue.Check{
				0: knownvalue.ObjectExact(map[string]knownvalue.Check{
					"name": text("lo0"), "mac": knownvalue.Null(), "up": knownvalue.Bool(true), "addresses": texts("127.0.0.1/8", "::1/128", "fe80::1/64"),
				}),
				3: knownvalue.ObjectExact(map[string]knownvalue.Check{
					"name": text("en0"), "mac": text("14:7d:da:00:00:04"), "up": knownvalue.Bool(true),
					"addresses": texts("fe80::1c2b:3aff:fe4d:5e6f/64", "192.168.1.10/24", "2001:db8:1::10/64"),
				}),
			})),
			of("macos_host", "default_interface", text("en0")),
			of("macos_host", "default_interfaces", texts("en0")),
			of("macos_host", "tailnet_interface", text("utun3")),
			of("macos_host", "public_addresses", texts("2001:db8:1::10")),
			of("macos_host", "filevault", knownvalue.Bool(true)),
			of("macos_host", "sip", knownvalue.Null()),
			of("macos_host", "sleep_disabled", knownvalue.Bool(false)),
			of("macos_host", "power", knownvalue.ObjectExact(map[string]knownvalue.Check{
				"ac": sleeps(1, true), "battery": sleeps(5, false), "ups": knownvalue.Null(),
			})),
			of("macos_host", "sleep_warnings", texts(
				"With a power adapter, it sleeps when nobody has used it for a minute, and then answers nothing: sudo pmset -c sleep 0",
				"On its battery, it sleeps when nobody has used it for 5 minutes, and then answers nothing: sudo pmset -b sleep 0",
			)),
		}})
	})
}

// A desktop Mac has no battery, and can start again after a power failure.
func TestHost_desktop(t *testing.T) {
	mac := simulated(t)
	warnings := func(want ...string) []statecheck.StateCheck {
		return []statecheck.StateCheck{of("macos_host", "sleep_warnings", texts(want...))}
	}
	const stays, sleeps = "After a power failure, it stays off: sudo pmset -a autorestart 1",
		"With a power adapter, it sleeps when nobody has used it for a minute, and then answers nothing: sudo pmset -c sleep 0"
	mac.run(
		resource.TestStep{Config: mac.source("macos_host", ""), ConfigStateChecks: warnings(sleeps, stays)},
		resource.TestStep{
			PreConfig: func() { mac.sh("/usr/bin/pmset -a disablesleep 1") }, Config: mac.source("macos_host", ""), ConfigStateChecks: warnings(stays),
		},
		resource.TestStep{
			PreConfig: func() { mac.sh("/usr/bin/pmset -a disablesleep 0 sleep 0 autorestart 1") }, Config: mac.source("macos_host", ""),
			ConfigStateChecks: warnings(),
		},
	)
}

// What cannot be read is null, and no error.
func TestHost_silent(t *testing.T) {
	mac := simulated(t)
	mac.Fail(func(argv []string) *macsim.Failure {
		switch argv[0] {
		case "/usr/sbin/sysctl", "/usr/sbin/scutil", "/usr/bin/fdesetup", "/usr/bin/csrutil", "/usr/bin/pmset", "/sbin/ifconfig", "/usr/sbin/netstat":
			return &macsim.Failure{Exit: 1, Stderr: "Operation not permitted\n"}
		}
		return nil
	})
	var checks []statecheck.StateCheck
	for _, attribute := range strings.Fields(`model chip boot_time computer_name local_hostname hostname interfaces default_interface
		default_interfaces tailnet_interface public_addresses filevault sip sleep_disabled power sleep_warnings`) {
		checks = append(checks, of("macos_host", attribute, knownvalue.Null()))
	}
	checks = append(checks, of("macos_host", "user", knownvalue.StringExact("admin")))
	mac.run(resource.TestStep{Config: mac.source("macos_host", ""), ConfigStateChecks: checks})
}

func TestHost_errors(t *testing.T) {
	mac := simulated(t)
	mac.RefuseConnections(true)
	for kind, summary := range map[string]string{
		"macos_host": "Unable to Read What the Mac Is", "macos_listeners": "Unable to Read Who Listens", "macos_tailscale": "Unable to Read Tailscale",
	} {
		mac.run(
			resource.TestStep{Config: mac.source(kind, "  host = \"maxi\"\n"), ExpectError: wrapped(`Unknown Mac "maxi"`)},
			resource.TestStep{Config: mac.source(kind, ""), ExpectError: wrapped(`(?s)` + summary + `.*mini cannot be reached`)},
		)
	}
}

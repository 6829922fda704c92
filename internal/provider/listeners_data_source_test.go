package provider

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
)

// launchd holds port 22 of every Mac that can be logged in to, a real one as well.
func TestListeners_basic(t *testing.T) {
	macs(t, func(t *testing.T, mac *testMac) {
		mac.run(resource.TestStep{
			Config: mac.source("macos_listeners", "") + `
output "ssh" {
  value = [for l in data.macos_listeners.test.listeners : "${l.user} ${l.exposed}" if l.protocol == "tcp" && l.port == 22 && l.launchd]
}
`,
			ConfigStateChecks: []statecheck.StateCheck{
				statecheck.ExpectKnownOutputValue("ssh", knownvalue.ListPartial(map[int]knownvalue.Check{0: knownvalue.StringExact("root true")})),
			},
		})
	})
}

func TestListeners_versions(t *testing.T) {
	sockets := []macsim.Socket{
		{Protocol: "TCP", Name: "127.0.0.1:631", PID: 300, Process: "cupsd"},
		{Protocol: "TCP", IPv6: true, Name: "[fe80:4::1c2b:3aff:fe4d:5e6f]:49154", PID: 77, Process: "remoted"},
		{Protocol: "TCP", IPv6: true, Name: "[2001:db8:1::10]:443", PID: 412, Process: "nginx", UID: 70},
		{Protocol: "UDP", Name: "*:5353", PID: 173, Process: "mDNSResponder", UID: 65},
	}
	onVersions(t, macsim.Mac{Sockets: sockets}, func(t *testing.T, mac *testMac) {
		listener := func(protocol, address string, port int64, iface knownvalue.Check, exposed bool, process string, pid int64, user string, launchd bool) knownvalue.Check {
			return knownvalue.ObjectExact(map[string]knownvalue.Check{
				"protocol": knownvalue.StringExact(protocol), "address": knownvalue.StringExact(address), "port": knownvalue.Int64Exact(port),
				"interface": iface, "exposed": knownvalue.Bool(exposed), "process": knownvalue.StringExact(process), "pid": knownvalue.Int64Exact(pid),
				"user": knownvalue.StringExact(user), "launchd": knownvalue.Bool(launchd),
			})
		}
		on, everywhere := knownvalue.StringExact, knownvalue.Null()
		mac.run(resource.TestStep{Config: mac.source("macos_listeners", ""), ConfigStateChecks: []statecheck.StateCheck{
			of("macos_listeners", "listeners", knownvalue.ListExact([]knownvalue.Check{
				listener("tcp", "*", 22, everywhere, true, "launchd", 1, "root", true),
				listener("tcp", "2001:db8:1::10", 443, on("en0"), true, "nginx", 412, "_www", false),
				listener("tcp", "127.0.0.1", 631, on("lo0"), false, "cupsd", 300, "root", false),
				listener("udp", "*", 5353, everywhere, true, "mDNSResponder", 173, "_mdnsresponder", false),
				listener("tcp", "fe80::1c2b:3aff:fe4d:5e6f", 49154, on("en0"), false, "remoted", 77, "root", false),
			})),
		}})
	})
}

// vnc is a job whose socket launchd holds, as it does for Screen Sharing.
const vnc = `printf %s '<plist version="1.0"><dict><key>Label</key><string>tfacc.vnc</string><key>Program</key><string>/usr/bin/true</string>` +
	`<key>Sockets</key><dict><key>Listener</key><dict><key>SockServiceName</key><string>5900</string></dict></dict></dict></plist>' ` +
	`>/Library/LaunchDaemons/tfacc.vnc.plist && /bin/launchctl bootstrap system /Library/LaunchDaemons/tfacc.vnc.plist`

// What somebody turned on at the Mac fails a check in the next plan, in words, and stops what has it for a precondition.
func TestListeners_check(t *testing.T) {
	mac := simulated(t)
	const rules = `
locals {
  exposed = toset([for l in data.macos_listeners.test.listeners : l.port if l.exposed && l.protocol == "tcp"])
  unasked = setsubtract(local.exposed, [22, 49152])
}
check "exposure" {
  assert {
    condition     = length(local.unasked) == 0
    error_message = join("\n", [for port in local.unasked : "port ${port} is exposed on ${data.macos_listeners.test.host}"])
  }
}
`
	config := mac.source("macos_listeners", "") + rules
	demands := config + `
resource "terraform_data" "after" {
  lifecycle {
    precondition {
      condition     = !contains(local.exposed, 5900)
      error_message = "Screen Sharing is on: port 5900 is exposed."
    }
  }
}
`
	mac.run(
		resource.TestStep{Config: config, ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{checkSays{"check.exposure"}}}},
		resource.TestStep{
			PreConfig: func() { mac.sh(vnc) }, Config: config,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{checkSays{"check.exposure", "port 5900 is exposed on mini"}}},
		},
		resource.TestStep{Config: demands, ExpectError: wrapped(`Screen Sharing is on: port 5900 is exposed`)},
		resource.TestStep{
			PreConfig: func() { mac.sh("/bin/launchctl bootout system/tfacc.vnc; rm /Library/LaunchDaemons/tfacc.vnc.plist") }, Config: demands,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{checkSays{"check.exposure"}}},
		},
	)
}

// checkSays is a check block's address and what it says in the plan, in any order: nothing if it holds.
type checkSays []string

func (c checkSays) CheckPlan(_ context.Context, req plancheck.CheckPlanRequest, resp *plancheck.CheckPlanResponse) {
	for _, check := range req.Plan.Checks {
		if check.Address.ToDisplay != c[0] {
			continue
		}
		var said []string
		for _, i := range check.Instances {
			for _, p := range i.Problems {
				said = append(said, p.Message)
			}
		}
		want := "pass"
		if len(c) > 1 {
			want = "fail"
		}
		slices.Sort(said)
		if string(check.Status) != want || !slices.Equal(said, slices.Sorted(slices.Values(c[1:]))) {
			resp.Error = fmt.Errorf("%s: %s: %q, want %q", c[0], check.Status, said, c[1:])
		}
		return
	}
	resp.Error = fmt.Errorf("there is no %s in the plan", c[0])
}

// That nothing could be read is an error, and not an empty list, which would say that nothing is exposed.
func TestListeners_silent(t *testing.T) {
	mac := simulated(t)
	mac.Fail(func(argv []string) *macsim.Failure {
		if argv[0] == "/usr/sbin/lsof" {
			return &macsim.Failure{Exit: 1, Stderr: "lsof: can't get PID list: Operation not permitted\n"}
		}
		return nil
	})
	mac.run(resource.TestStep{
		Config:      mac.source("macos_listeners", ""),
		ExpectError: wrapped(`mini does not say who listens there: lsof: can't get PID list: Operation not permitted`),
	})
}

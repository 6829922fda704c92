package provider

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
)

// Everything that a Mac's kernel holds: what macOS put there, what this configuration did, and what nothing evaluates.
func TestPFRules(t *testing.T) {
	mac := simulated(t)
	config := mac.anchor("tfacc.web", "rdr pass on en0 inet proto tcp to port 80 -> 127.0.0.1 port 8080\n"+
		"table <bad> { 192.0.2.1, 198.51.100.0/24, !198.51.100.7 }\nblock drop in quick on en0 from <bad>\n") + `
data "macos_pf_rules" "test" {
  depends_on = [macos_pf_anchor.test]
}
output "calls" {
  value = join(" ", [for r in data.macos_pf_rules.test.rules : r.call if r.call != null && r.anchor == null && r.action == "anchor"])
}
output "blocks" {
  value = one([for r in data.macos_pf_rules.test.rules : "${r.anchor} ${r.from} ${r.interface} ${r.quick} ${r.response} ${r.evaluated}" if r.action == "block"])
}
output "rdr" {
  value = one([for r in data.macos_pf_rules.test.rules : "${r.to_port} ${r.target} ${r.proto} ${r.evaluated}" if r.action == "rdr"])
}
`
	steps := []resource.TestStep{
		{
			Config: config,
			ConfigStateChecks: []statecheck.StateCheck{
				statecheck.ExpectKnownOutputValue("calls", knownvalue.StringExact("com.apple/* tfacc.web")),
				statecheck.ExpectKnownOutputValue("blocks", knownvalue.StringExact("tfacc.web <bad> en0 true drop true")),
				statecheck.ExpectKnownOutputValue("rdr", knownvalue.StringExact("80 127.0.0.1 port 8080 tcp true")),
				statecheck.ExpectKnownValue("data.macos_pf_rules.test", tfjsonpath.New("dead_anchors"), knownvalue.ListSizeExact(0)),
				statecheck.ExpectKnownValue("data.macos_pf_rules.test", tfjsonpath.New("tables"), knownvalue.ListExact([]knownvalue.Check{
					knownvalue.ObjectExact(map[string]knownvalue.Check{
						"anchor": knownvalue.StringExact("tfacc.web"), "name": knownvalue.StringExact("bad"),
						"addresses": knownvalue.ListExact([]knownvalue.Check{
							knownvalue.StringExact("192.0.2.1"), knownvalue.StringExact("198.51.100.0/24"), knownvalue.StringExact("!198.51.100.7"),
						}),
					}),
				})),
			},
		},
		{
			// Somebody's flush takes the calls away: all that is loaded is dead, and nothing looks wrong in the anchor itself.
			PreConfig: func() {
				mac.sh("printf 'pass in all\\n' | /sbin/pfctl -q -a forgotten -f - && /sbin/pfctl -q -F rules && /sbin/pfctl -q -F nat")
			},
			Config: mac.provider + "data \"macos_pf_rules\" \"test\" {}\n",
			ConfigStateChecks: []statecheck.StateCheck{
				statecheck.ExpectKnownValue("data.macos_pf_rules.test", tfjsonpath.New("dead_anchors"), knownvalue.ListExact([]knownvalue.Check{
					knownvalue.StringExact("forgotten"), knownvalue.StringExact("tfacc.web"),
				})),
			},
		},
	}
	resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: steps})
}

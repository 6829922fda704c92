package provider

import (
	"regexp"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
)

// statusOf expects this of data.macos_pf_status.test.
func statusOf(attribute string, want knownvalue.Check) statecheck.StateCheck {
	return statecheck.ExpectKnownValue("data.macos_pf_status.test", tfjsonpath.New(attribute), want)
}

// pf as macOS boots it, and as macos_pf and somebody else keep it.
func TestPFStatus(t *testing.T) {
	const status = "data \"macos_pf_status\" \"test\" {\n  depends_on = [macos_pf.test]\n}\n"
	mac := simulated(t)
	var token string
	aMoment := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`)
	reference := func(ours bool) knownvalue.Check {
		return knownvalue.ObjectPartial(map[string]knownvalue.Check{
			"process": knownvalue.StringExact("pfctl"), "token": knownvalue.StringRegexp(regexp.MustCompile(`^\d+$`)),
			"since": knownvalue.StringRegexp(aMoment), "ours": knownvalue.Bool(ours), "pid": knownvalue.NotNull(),
		})
	}
	mac.run(
		resource.TestStep{
			Config: mac.provider + "data \"macos_pf_status\" \"test\" {\n  host = \"mini\"\n}\n",
			ConfigStateChecks: []statecheck.StateCheck{
				statusOf("enabled", knownvalue.Bool(false)),
				statusOf("since", knownvalue.Null()),
				statusOf("references", knownvalue.ListSizeExact(0)),
				statusOf("states", knownvalue.Int64Exact(0)),
				statusOf("limits", knownvalue.MapPartial(map[string]knownvalue.Check{"table-entries": knownvalue.Int64Exact(200000)})),
			},
		},
		resource.TestStep{
			Config: mac.pf("") + status,
			ConfigStateChecks: []statecheck.StateCheck{
				statusOf("enabled", knownvalue.Bool(true)),
				statusOf("host", knownvalue.StringExact("mini")),
				statusOf("since", knownvalue.StringRegexp(aMoment)),
				statusOf("references", knownvalue.ListExact([]knownvalue.Check{reference(true)})),
				statusOf("counters", knownvalue.MapPartial(map[string]knownvalue.Check{"match": knownvalue.NotNull(), "searches": knownvalue.NotNull()})),
			},
		},
		resource.TestStep{
			PreConfig: func() { token = mac.sh("/sbin/pfctl -E 2>&1 | sed -n 's/^Token : //p'") },
			Config:    mac.pf("") + status,
			ConfigStateChecks: []statecheck.StateCheck{
				statusOf("references", knownvalue.ListExact([]knownvalue.Check{reference(true), reference(false)})),
			},
			Check: func(*terraform.State) error {
				mac.sh("/sbin/pfctl -q -X " + token)
				return nil
			},
		},
	)
}

// A Mac that cannot be reached is an error that says so, and so is one that nobody knows.
func TestPFStatus_errors(t *testing.T) {
	mac := simulated(t)
	mac.run(
		resource.TestStep{Config: mac.provider + "data \"macos_pf_status\" \"test\" {\n  host = \"maxi\"\n}\n", ExpectError: wrapped(`Unknown Mac "maxi"`)},
		resource.TestStep{
			PreConfig:   func() { mac.RefuseConnections(true) },
			Config:      mac.provider + "data \"macos_pf_status\" \"test\" {}\n",
			ExpectError: wrapped(`(?s)Unable to Read the Status of pf.*mini cannot be reached`),
		},
	)
}

package provider

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
)

const pfAddress = "macos_pf.test"

func (m *testMac) pf(body string) string {
	return m.provider + "resource \"macos_pf\" \"test\" {\n" + body + "\n}\n"
}

func plannedPF(action plancheck.ResourceActionType) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(pfAddress, action)}}
}

var pfIsOn = []statecheck.StateCheck{
	statecheck.ExpectKnownValue(pfAddress, tfjsonpath.New("enabled"), knownvalue.Bool(true)),
	statecheck.ExpectKnownValue(pfAddress, tfjsonpath.New("drift"), knownvalue.ListSizeExact(0)),
}

func TestPF_basic(t *testing.T) {
	macs(t, func(t *testing.T, mac *testMac) {
		mac.run(
			resource.TestStep{Config: mac.pf(""), ConfigPlanChecks: plannedPF(plancheck.ResourceActionCreate), ConfigStateChecks: pfIsOn},
			resource.TestStep{
				ResourceName: pfAddress, ImportState: true, ImportStateId: "mini", ImportStateVerify: true, ImportStateVerifyIdentifierAttribute: "host",
			},
			resource.TestStep{Config: mac.pf("  at_boot = false"), ConfigPlanChecks: plannedPF(plancheck.ResourceActionUpdate), ConfigStateChecks: pfIsOn},
			resource.TestStep{Config: mac.pf(""), ConfigPlanChecks: plannedPF(plancheck.ResourceActionUpdate), ConfigStateChecks: pfIsOn},
		)
	})
}

func TestPF_drift(t *testing.T) {
	for name, script := range map[string]string{
		"disabled":       `/sbin/pfctl -q -d`,
		"dropped":        `/sbin/pfctl -q -d; /sbin/pfctl -q -e`,
		"job-removed":    `/bin/launchctl bootout system/io.github.macos-fleet.pf; rm /Library/LaunchDaemons/io.github.macos-fleet.pf.plist`,
		"job-booted-out": `/bin/launchctl bootout system/io.github.macos-fleet.pf`,
		"job-edited":     `sed s/com.apple:/other:/ /Library/LaunchDaemons/io.github.macos-fleet.pf.plist >/tmp/x && cp /tmp/x /Library/LaunchDaemons/io.github.macos-fleet.pf.plist && rm /tmp/x`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mac := simulated(t) // switching pf off is nothing to do to a real Mac
			resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: []resource.TestStep{
				{Config: mac.pf("")},
				{
					PreConfig: func() { mac.sh(script) }, Config: mac.pf(""),
					ConfigPlanChecks: plannedPF(plancheck.ResourceActionUpdate), ConfigStateChecks: pfIsOn,
				},
			}})
		})
	}
}

// After a reboot pf is enabled by the boot job, the anchors that only it loads are loaded, and there is nothing to do.
func TestPF_reboot(t *testing.T) {
	mac := simulated(t)
	config := mac.pf("  depends_on = [macos_pf_anchor.apple, macos_pf_anchor.other]") + fmt.Sprintf(`
resource "macos_pf_anchor" "apple" {
  name  = "com.apple/250.tfacc"
  rules = %[1]q
}
resource "macos_pf_anchor" "other" {
  name  = "tfacc.other"
  rules = %[1]q
}
`, story)
	mac.run(
		resource.TestStep{Config: config},
		resource.TestStep{
			PreConfig: mac.Reboot, Config: config, ConfigStateChecks: pfIsOn,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}},
			Check: func(*terraform.State) error {
				if got := mac.sh("/sbin/pfctl -q -a com.apple/250.tfacc -s rules"); strings.Count(got, "\n") != len(storyLoaded) {
					return fmt.Errorf("loaded after a reboot:\n%s", got)
				}
				return nil
			},
		},
	)
}

// Whoever else holds a reference keeps pf enabled when ours is released.
func TestPF_othersReference(t *testing.T) {
	mac := simulated(t)
	mac.sh("/sbin/pfctl -q -E")
	mac.run(resource.TestStep{Config: mac.pf(""), ConfigStateChecks: pfIsOn})
	if info := mac.sh("/sbin/pfctl -q -s info"); !strings.HasPrefix(info, "Status: Enabled") {
		t.Errorf("pf was disabled for others: %.60s", info)
	}
}

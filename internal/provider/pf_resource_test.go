package provider

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	"github.com/hashicorp/terraform-plugin-testing/tfversion"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
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

// A resource that was forgotten leaves its boot job; one that is created without takes it away, if it is just that.
func TestPF_forgotten(t *testing.T) {
	mac := simulated(t)
	forgotten := mac.provider + "removed {\n  from = macos_pf.test\n  lifecycle {\n    destroy = false\n  }\n}\n"
	before := mac.state()
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		TerraformVersionChecks:   []tfversion.TerraformVersionCheck{tfversion.SkipBelow(tfversion.Version1_7_0)},
		Steps: []resource.TestStep{
			{Config: mac.pf("")},
			{Config: forgotten},
			{
				Config: mac.pf("  at_boot = false"), ConfigPlanChecks: plannedPF(plancheck.ResourceActionCreate), ConfigStateChecks: pfIsOn,
				Check: func(*terraform.State) error {
					if _, err := mac.Files().Stat("/Library/LaunchDaemons/" + bootLabel + ".plist"); err == nil {
						return errors.New("the boot job is still there")
					}
					return nil
				},
			},
		},
	})
	if after := mac.state(); after != before {
		t.Errorf("the Mac is not as before:\n%s", diff(before, after))
	}
}

// A job of another kind under the boot job's label is not taken over: not when the resource is created, with a boot job or
// without, and not when it moves to another Mac.
func TestPF_exists(t *testing.T) {
	other, mac := simulated(t), simulated(t)
	mac.sh(`printf '<plist version="1.0"><dict><key>Label</key><string>` + bootLabel + `</string><key>Program</key><string>/bin/cat</string></dict></plist>' \
	>/Library/LaunchDaemons/` + bootLabel + `.plist`)
	before := mac.state()
	there := strings.Replace(strings.TrimSuffix(strings.TrimSpace(other.provider), "  }\n}"), "mini =", "other =", 1) + // both in one block
		mac.provider[strings.Index(mac.provider, "    mini ="):] + "resource \"macos_pf\" \"test\" {\n  host = %q\n}\n"
	exists := wrapped(`(?s)"` + bootLabel + `" Exists.*/bin/cat`)
	resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: []resource.TestStep{
		{Config: mac.pf(""), ExpectError: exists},
		{Config: mac.pf("  at_boot = false"), ExpectError: exists},
		{Config: fmt.Sprintf(there, "other")},
		{Config: fmt.Sprintf(there, "mini"), ExpectError: exists},
	}})
	if after := mac.state(); after != before {
		t.Errorf("something changed:\n%s", diff(before, after))
	}
}

// What was created but is not quite as it should be is repaired, and not replaced: pf would be disabled in between. A boot job that
// cannot be installed leaves no state, so that the next apply goes on with what is there.
func TestPF_createdWithDrift(t *testing.T) {
	for name, test := range map[string]struct {
		exit  int // of bootstrap, which does nothing
		first resource.TestStep
		next  plancheck.ResourceActionType
	}{
		"drift": {0, resource.TestStep{ExpectNonEmptyPlan: true}, plancheck.ResourceActionUpdate},
		"error": {5, resource.TestStep{ExpectError: wrapped(`Unable to Install the Boot Job`)}, plancheck.ResourceActionCreate},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mac := simulated(t)
			first := test.first
			first.Config = mac.pf("")
			first.PreConfig = func() {
				mac.Fail(func(argv []string) *macsim.Failure {
					if line := strings.Join(argv, " "); strings.Contains(line, "launchctl bootstrap") && strings.Contains(line, bootLabel) {
						return &macsim.Failure{Exit: test.exit}
					}
					return nil
				})
			}
			mac.run(first, resource.TestStep{
				PreConfig: func() { mac.Fail(nil); mac.ForgetCalls() }, Config: mac.pf(""),
				ConfigPlanChecks: plannedPF(test.next), ConfigStateChecks: pfIsOn,
				Check: func(*terraform.State) error {
					if writes := mac.writes(); slices.ContainsFunc(writes, func(w string) bool { return strings.Contains(w, "pfctl -") }) {
						return fmt.Errorf("pf was touched: %q", writes)
					}
					return nil
				},
			})
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

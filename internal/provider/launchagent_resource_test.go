package provider

import (
	"fmt"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
)

const agentAddress = "macos_launchagent.test"

// agent is the configuration of one agent; body are its other attributes.
func (m *testMac) agent(body string) string {
	return m.provider + fmt.Sprintf("resource \"macos_launchagent\" \"test\" {\n  label = \"tfacc.agent\"\n%s\n%s\n}\n", sleeper, body)
}

// withUsers is a Mac of admin and anna; the users of these names are logged in at its screen.
func withUsers(t *testing.T, names ...string) *testMac {
	t.Helper()
	sim := macsim.Start(t, macsim.Mac{Second: second, People: []string{"anna"}})
	for _, name := range names {
		if err := sim.LogIn(name); err != nil {
			t.Fatal(err)
		}
	}
	return &testMac{Mac: sim, t: t, provider: providerBlock(sim)}
}

func plannedAgent(action plancheck.ResourceActionType) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(agentAddress, action)}}
}

func agentHas(attribute string, want knownvalue.Check) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(agentAddress, tfjsonpath.New(attribute), want)
}

func loadedFor(names ...string) statecheck.StateCheck {
	checks := []knownvalue.Check{}
	for _, name := range names {
		checks = append(checks, knownvalue.StringExact(name))
	}
	return agentHas("loaded_for", knownvalue.ListExact(checks))
}

func TestLaunchagent_basic(t *testing.T) {
	mac := withUsers(t, "admin", "anna")
	// A folder that was made for a user stays, and launchd does not forget a label that was ever disabled.
	mac.sh("mkdir -m 0755 /Users/anna/Library/LaunchAgents; chown anna:staff /Users/anna/Library/LaunchAgents")
	for _, uid := range []string{"501", "502"} {
		mac.sh("launchctl enable gui/" + uid + "/tfacc.agent")
	}
	mac.run(
		resource.TestStep{
			Config:           mac.agent(""),
			ConfigPlanChecks: plannedAgent(plancheck.ResourceActionCreate),
			ConfigStateChecks: []statecheck.StateCheck{
				loadedFor("admin", "anna"), agentHas("file", knownvalue.StringExact("/Library/LaunchAgents/tfacc.agent.plist")),
			},
		},
		resource.TestStep{
			ResourceName: agentAddress, ImportState: true, ImportStateId: "mini/tfacc.agent", ImportStateVerify: true,
			ImportStateVerifyIdentifierAttribute: "label",
		},
		resource.TestStep{
			PreConfig: func() { mac.sh("launchctl bootout gui/502/tfacc.agent") },
			Config:    mac.agent("  start_interval = 60"), ConfigPlanChecks: plannedAgent(plancheck.ResourceActionUpdate),
			ConfigStateChecks: []statecheck.StateCheck{loadedFor("admin", "anna")},
		},
		resource.TestStep{
			Config: mac.agent("  start_interval = 60\n  enabled = false"), ConfigPlanChecks: plannedAgent(plancheck.ResourceActionUpdate),
			ConfigStateChecks: []statecheck.StateCheck{loadedFor()},
		},
		resource.TestStep{
			PreConfig: func() { mac.sh("launchctl enable gui/501/tfacc.agent") },
			Config:    mac.agent("  start_interval = 60\n  enabled = false"), ConfigPlanChecks: plannedAgent(plancheck.ResourceActionUpdate),
		},
		resource.TestStep{Config: mac.agent(""), ConfigStateChecks: []statecheck.StateCheck{loadedFor("admin", "anna")}},
		resource.TestStep{
			Config: mac.agent("  user = \"anna\""), ConfigPlanChecks: plannedAgent(plancheck.ResourceActionReplace),
			ConfigStateChecks: []statecheck.StateCheck{
				loadedFor("anna"), agentHas("file", knownvalue.StringExact("/Users/anna/Library/LaunchAgents/tfacc.agent.plist")),
			},
			Check: func(*terraform.State) error {
				if owner := mac.sh("stat -f '%Su %Sg %Lp' /Users/anna/Library/LaunchAgents/tfacc.agent.plist"); owner != "anna staff 644\n" {
					return fmt.Errorf("the file is of %s", owner)
				}
				return nil
			},
		},
		resource.TestStep{
			ResourceName: agentAddress, ImportState: true, ImportStateId: "mini/anna/tfacc.agent", ImportStateVerify: true,
			ImportStateVerifyIdentifierAttribute: "label",
		},
	)
}

// Who is not logged in is no error, but told; whoever logs in then has the agent, and no plan says otherwise.
func TestLaunchagent_away(t *testing.T) {
	for name, test := range map[string]struct{ body, file string }{
		"everybody's": {"", "/Library/LaunchAgents/tfacc.agent.plist"},
		"anna's":      {"  user = \"anna\"", "/Users/anna/Library/LaunchAgents/tfacc.agent.plist"},
	} {
		t.Run(name, func(t *testing.T) {
			mac := withUsers(t)
			mac.sh("mkdir -m 0755 /Users/anna/Library/LaunchAgents; chown anna:staff /Users/anna/Library/LaunchAgents")
			mac.run(
				resource.TestStep{
					Config:            mac.agent(test.body),
					ConfigStateChecks: []statecheck.StateCheck{loadedFor(), agentHas("file", knownvalue.StringExact(test.file)), agentHas("drift", knownvalue.ListSizeExact(0))},
				},
				resource.TestStep{
					PreConfig: func() {
						if err := mac.LogIn("anna"); err != nil {
							t.Fatal(err)
						}
					},
					Config: mac.agent(test.body), ConfigPlanChecks: plannedAgent(plancheck.ResourceActionNoop),
					ConfigStateChecks: []statecheck.StateCheck{loadedFor("anna")},
				},
				resource.TestStep{
					PreConfig: func() { mac.LogOut("anna") },
					Config:    mac.agent(test.body + "\n  nice = 5"), ConfigPlanChecks: plannedAgent(plancheck.ResourceActionUpdate),
					ConfigStateChecks: []statecheck.StateCheck{loadedFor()},
				},
			)
		})
	}
}

func TestLaunchagent_refused(t *testing.T) {
	mac := withUsers(t, "anna")
	mac.sh("printf '<plist><dict/></plist>' >/Library/LaunchAgents/tfacc.agent.plist")
	mac.run(
		resource.TestStep{Config: mac.agent("  user = \"bob\""), ExpectError: wrapped("The Mac has no user of this name")},
		resource.TestStep{Config: mac.agent("  user = \"a b\""), ExpectError: wrapped("The short name of a user is made of")},
		resource.TestStep{Config: mac.agent("  user_name = \"_www\""), ExpectError: wrapped("Attribute Only for Daemons")},
		resource.TestStep{Config: mac.agent(""), ExpectError: wrapped("terraform import ADDRESS 'mini/tfacc.agent'")},
	)
}

// Whose agent it is may be known only after an apply: then nothing is planned of the file, rather than something wrong.
func TestLaunchagent_unknownUser(t *testing.T) {
	mac := withUsers(t, "anna")
	mac.sh("mkdir -m 0755 /Users/anna/Library/LaunchAgents; chown anna:staff /Users/anna/Library/LaunchAgents")
	mac.run(resource.TestStep{
		Config:            "resource \"terraform_data\" \"user\" {\n  input = \"anna\"\n}\n" + mac.agent("  user = terraform_data.user.output"),
		ConfigStateChecks: []statecheck.StateCheck{loadedFor("anna"), agentHas("file", knownvalue.StringExact("/Users/anna/Library/LaunchAgents/tfacc.agent.plist"))},
	})
}

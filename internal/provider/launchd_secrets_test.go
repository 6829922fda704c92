package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfversion"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
)

// hides is a plan that has none of these words in what it read, keeps or changes.
type hides []string

func (h hides) CheckPlan(_ context.Context, req plancheck.CheckPlanRequest, resp *plancheck.CheckPlanResponse) {
	text, err := json.Marshal([]any{req.Plan.PriorState, req.Plan.PlannedValues, req.Plan.ResourceChanges, req.Plan.ResourceDrift})
	if err != nil {
		resp.Error = err
	}
	for _, word := range h {
		if strings.Contains(string(text), word) {
			resp.Error = fmt.Errorf("the plan has the secret %s in it:\n%s", word, text)
		}
	}
}

// writeOnly is what write-only attributes need of a CLI.
var writeOnly = []tfversion.TerraformVersionCheck{tfversion.SkipBelow(tfversion.Version1_11_0)}

const secretFile = "/Library/LaunchDaemons/tfacc.secret.plist"

// secretJob is a job with secrets; version 0 is one without.
func (m *testMac) secretJob(version int, secrets, more string) string {
	body := sleeper + "\n  environment_variables = { OPEN = \"known\" }\n" + more
	if version > 0 {
		body += fmt.Sprintf("  environment_variables_wo = { %s }\n  environment_variables_wo_version = %d\n", secrets, version)
	}
	return m.daemon("tfacc.secret", body)
}

// Secrets reach the Mac, and neither state nor plan, whatever happens to the file.
func TestLaunchdaemon_secrets(t *testing.T) {
	t.Parallel()
	mac := simulated(t)
	hidden := hides{"hush-1", "hush-2", "hush-3", "by-hand"}
	edit := func(script string) func() {
		return func() {
			mac.sh("f=" + secretFile + "\nsed " + script + ` "$f" >/private/tmp/x && cat /private/tmp/x >"$f" && rm /private/tmp/x`)
		}
	}
	has := func(words ...string) resource.TestCheckFunc {
		return func(s *terraform.State) error {
			file := mac.sh("cat " + secretFile)
			for _, word := range append(words, "known") {
				if !strings.Contains(file, word) {
					t.Errorf("%s is not in the file:\n%s", word, file)
				}
			}
			for _, word := range hidden {
				if strings.Contains(s.String(), word) {
					t.Errorf("%s is in the state:\n%s", word, s)
				}
				if strings.Contains(file, word) && !strings.Contains(strings.Join(words, " "), word) {
					t.Errorf("%s is in the file:\n%s", word, file)
				}
			}
			return nil
		}
	}
	updates := func(also ...plancheck.PlanCheck) resource.ConfigPlanChecks {
		checks := append(also, hidden, plancheck.ExpectResourceAction(daemonAddress, plancheck.ResourceActionUpdate))
		return resource.ConfigPlanChecks{PreApply: checks, PostApplyPostRefresh: []plancheck.PlanCheck{hidden}}
	}
	two := mac.secretJob(1, `TOKEN = "hush-1", KEY = "hush-2"`, "")
	drift := func(name, script string) resource.TestStep {
		return resource.TestStep{PreConfig: edit(script), Config: two, ConfigPlanChecks: updates(), Check: has("hush-1", "hush-2")}
	}
	mac.needs = writeOnly
	mac.run(
		resource.TestStep{Config: two, Check: has("hush-1", "hush-2"), ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{hidden}}},
		// The value alone is not noticed, as is said; another version is, and anything else of the job.
		resource.TestStep{Config: mac.secretJob(1, `TOKEN = "hush-3"`, ""), Check: has("hush-1", "hush-2")},
		resource.TestStep{Config: mac.secretJob(2, `TOKEN = "hush-3"`, ""), ConfigPlanChecks: updates(), Check: has("hush-3")},
		resource.TestStep{Config: mac.secretJob(2, `TOKEN = "hush-1", KEY = "hush-2"`, "  nice = 5\n"), ConfigPlanChecks: updates(), Check: has("hush-1", "hush-2")},
		resource.TestStep{Config: two, ConfigPlanChecks: updates(), Check: has("hush-1", "hush-2")},
		// By hand: one is gone, one is there that nobody knows, a key that has no attribute, no property list, another environment.
		drift("gone", `s/TOKEN/TAKEN/`),
		drift("added", `'s|<key>OPEN</key>|<key>OTHER</key><string>by-hand</string><key>OPEN</key>|'`),
		drift("unknown-key", `'s|<key>Label</key>|<!-- hush-1 --><key>Mystery</key><string>x</string><key>Label</key>|'`),
		drift("broken", `s/plist/list/`),
		drift("broken-at-secret", `'s|<string>hush-1</string>|hush-1|'`),
		drift("no-environment", `s/EnvironmentVariables/EnvironmentVariable/`),
		drift("changed", `s/known/otherwise/`),
		// One that was no secret becomes one, and back.
		resource.TestStep{Config: mac.secretJob(3, `TOKEN = "hush-1", KEY = "hush-2", ONCE = "hush-3"`, ""), Check: has("hush-1", "hush-2", "hush-3"), ConfigPlanChecks: updates()},
		resource.TestStep{Config: mac.secretJob(0, "", ""), Check: has(), ConfigPlanChecks: updates()},
		resource.TestStep{Config: mac.secretJob(0, "", "  nice = 5\n"), Check: has(), ConfigPlanChecks: updates()},
	)
}

// An apply that is cut short leaves secrets on the Mac that the state must not get to know later.
func TestLaunchdaemon_secretsCut(t *testing.T) {
	t.Parallel()
	mac := simulated(t)
	mac.needs = writeOnly
	hidden := hides{"hush-1", "hush-2"}
	checks := resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{hidden}}
	mac.run(
		resource.TestStep{Config: mac.secretJob(0, "", "")},
		resource.TestStep{
			PreConfig: func() {
				mac.Fail(func(argv []string) *macsim.Failure {
					if argv[0] == "/bin/launchctl" && argv[1] == "bootstrap" {
						return &macsim.Failure{Cut: macsim.CutAfter}
					}
					return nil
				})
			},
			Config: mac.secretJob(1, `TOKEN = "hush-1"`, ""), ConfigPlanChecks: checks, ExpectError: wrapped(`connection to mini was lost`),
		},
		resource.TestStep{
			PreConfig: func() { mac.Fail(nil) },
			Config:    mac.secretJob(1, `TOKEN = "hush-1"`, ""), ConfigPlanChecks: checks,
			Check: func(*terraform.State) error {
				if file := mac.sh("cat " + secretFile); !strings.Contains(file, "hush-1") {
					return fmt.Errorf("the file is\n%s", file)
				}
				return nil
			},
		},
	)
}

func TestLaunchdaemon_secretsRefused(t *testing.T) {
	t.Parallel()
	mac := simulated(t)
	for name, test := range map[string]struct{ body, want string }{
		"no-version": {`  environment_variables_wo = { A = "hush-1" }`, `environment_variables_wo_version`},
		"twice":      {"  environment_variables = { A = \"b\" }\n  environment_variables_wo = { A = \"hush-1\" }\n  environment_variables_wo_version = 1", `The variable A is in environment_variables, too`},
		"character":  {"  environment_variables_wo = { A = \"hush-1\\u0001\" }\n  environment_variables_wo_version = 1", `The variable A is null, or holds a character`},
	} {
		t.Run(name, func(t *testing.T) {
			resource.UnitTest(t, resource.TestCase{
				ProtoV6ProviderFactories: factories,
				TerraformVersionChecks:   writeOnly,
				Steps:                    []resource.TestStep{{Config: mac.daemon("tfacc.secret", sleeper+"\n"+test.body), ExpectError: wrapped(test.want)}},
			})
		})
	}
}

package provider

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
)

const anchorAddress = "macos_pf_anchor.test"

// story are the rules that everything began with.
const story = `# Only Tailscale gets in.
pass out on en0 all keep state
block drop in on en0 proto tcp all
block drop in on en0 proto udp all
pass in on en0 proto udp from any to any port 41641
`

var storyLoaded = []string{
	"pass out on en0 all flags S/SA keep state",
	"block drop in on en0 proto tcp all",
	"block drop in on en0 proto udp all",
	"pass in on en0 proto udp from any to any port = 41641 keep state",
}

func diff(want, got any) string { return cmp.Diff(want, got) }

// anchor is the configuration of one anchor.
func (m *testMac) anchor(name, rules string) string {
	config := fmt.Sprintf("resource \"macos_pf_anchor\" \"test\" {\n  name  = %q\n  rules = %q\n}\n", name, rules)
	return m.provider + strings.ReplaceAll(config, `\x`, `\u00`) // HCL has no \x
}

// loaded expects these rules in the state.
func loaded(lines ...string) statecheck.StateCheck {
	want := make([]knownvalue.Check, len(lines))
	for i, line := range lines {
		want[i] = knownvalue.StringExact(line)
	}
	return statecheck.ExpectKnownValue(anchorAddress, tfjsonpath.New("loaded_rules"), knownvalue.ListExact(want))
}

func planned(action plancheck.ResourceActionType) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(anchorAddress, action)}}
}

func TestPFAnchor_basic(t *testing.T) {
	macs(t, func(t *testing.T, mac *testMac) {
		mac.run(
			resource.TestStep{
				Config: mac.anchor("tfacc.basic", story),
				ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
					plancheck.ExpectResourceAction(anchorAddress, plancheck.ResourceActionCreate),
					// The plan says already what will be loaded.
					plancheck.ExpectKnownValue(anchorAddress, tfjsonpath.New("loaded_rules"), knownvalue.ListSizeExact(4)),
				}},
				ConfigStateChecks: []statecheck.StateCheck{
					loaded(storyLoaded...),
					statecheck.ExpectKnownValue(anchorAddress, tfjsonpath.New("host"), knownvalue.StringExact("mini")),
					statecheck.ExpectKnownValue(anchorAddress, tfjsonpath.New("file"), knownvalue.StringExact("/etc/pf.anchors/tfacc.basic")),
					statecheck.ExpectKnownValue(anchorAddress, tfjsonpath.New("drift"), knownvalue.ListSizeExact(0)),
				},
			},
			resource.TestStep{
				ResourceName: anchorAddress, ImportState: true, ImportStateId: "mini/tfacc.basic",
				ImportStateVerify: true, ImportStateVerifyIdentifierAttribute: "name",
			},
			resource.TestStep{
				Config:            mac.anchor("tfacc.basic", "pass in proto tcp to any port 22"), // without a newline
				ConfigPlanChecks:  planned(plancheck.ResourceActionUpdate),
				ConfigStateChecks: []statecheck.StateCheck{loaded("pass in proto tcp from any to any port = 22 flags S/SA keep state")},
			},
			resource.TestStep{
				Config:            mac.anchor("tfacc.other", story),
				ConfigPlanChecks:  planned(plancheck.ResourceActionReplace),
				ConfigStateChecks: []statecheck.StateCheck{loaded(storyLoaded...)},
			},
		)
	})
}

// A name under com.apple/ needs no line in pf.conf: macOS calls it.
func TestPFAnchor_underApple(t *testing.T) {
	macs(t, func(t *testing.T, mac *testMac) {
		conf := mac.sh("cat /etc/pf.conf")
		mac.run(resource.TestStep{
			Config: mac.anchor("com.apple/250.tfacc", story),
			ConfigStateChecks: []statecheck.StateCheck{
				loaded(storyLoaded...),
				statecheck.ExpectKnownValue(anchorAddress, tfjsonpath.New("file"), knownvalue.StringExact("/etc/pf.anchors/com.apple:250.tfacc")),
			},
			Check: func(*terraform.State) error {
				if now := mac.sh("cat /etc/pf.conf"); now != conf {
					return fmt.Errorf("pf.conf has changed:\n%s", diff(conf, now))
				}
				return nil
			},
		})
	})
}

func TestPFAnchor_disappears(t *testing.T) {
	macs(t, func(t *testing.T, mac *testMac) {
		mac.run(
			resource.TestStep{Config: mac.anchor("tfacc.gone", story)},
			resource.TestStep{
				PreConfig: func() {
					mac.sh(`/sbin/pfctl -q -a tfacc.gone -F all 2>/dev/null; rm /etc/pf.anchors/tfacc.gone
sed '/macos-fleet/,/macos-fleet/d' /etc/pf.conf >/tmp/pf.conf && cp /tmp/pf.conf /etc/pf.conf && rm /tmp/pf.conf`)
				},
				Config:            mac.anchor("tfacc.gone", story),
				ConfigPlanChecks:  planned(plancheck.ResourceActionCreate),
				ConfigStateChecks: []statecheck.StateCheck{loaded(storyLoaded...)},
			},
		)
	})
}

// Each way in which a Mac can drift, alone: it is planned as an update, and after it the Mac is as before.
func TestPFAnchor_drift(t *testing.T) {
	for name, script := range map[string]string{
		"rules-flushed": `/sbin/pfctl -q -a tfacc.drift -F rules 2>/dev/null`,
		"rule-added":    `(cat /etc/pf.anchors/tfacc.drift; echo pass in all) | /sbin/pfctl -q -o none -a tfacc.drift -f - 2>/dev/null`,
		"file-edited":   `echo "pass in all" >>/etc/pf.anchors/tfacc.drift`,
		"file-removed":  `rm /etc/pf.anchors/tfacc.drift`,
		// Lines that load a missing file are left: not gone, or the next boot would fail over them.
		"all-but-lines":   `/sbin/pfctl -q -a tfacc.drift -F all 2>/dev/null; rm /etc/pf.anchors/tfacc.drift`,
		"file-mode":       `chmod 0666 /etc/pf.anchors/tfacc.drift`,
		"no-newline":      `printf %s "$(cat /etc/pf.anchors/tfacc.drift)" >/tmp/x && cp /tmp/x /etc/pf.anchors/tfacc.drift && rm /tmp/x`,
		"file-owner":      `chown admin /etc/pf.anchors/tfacc.drift`,
		"conf-reset":      `sed '/macos-fleet/,/macos-fleet/d' /etc/pf.conf >/tmp/pf.conf && cp /tmp/pf.conf /etc/pf.conf && rm /tmp/pf.conf`,
		"call-lost":       `sed '/macos-fleet/,/macos-fleet/d' /etc/pf.conf >/tmp/pf.conf && /sbin/pfctl -q -f /tmp/pf.conf 2>/dev/null && rm /tmp/pf.conf`,
		"everything-lost": `/sbin/pfctl -q -F all 2>/dev/null; /sbin/pfctl -q -a tfacc.drift -F all 2>/dev/null; true`,
	} {
		t.Run(name, func(t *testing.T) {
			macs(t, func(t *testing.T, mac *testMac) {
				var applied string
				mac.run(
					resource.TestStep{
						Config: mac.anchor("tfacc.drift", story),
						Check:  func(*terraform.State) error { applied = mac.state(); return nil },
					},
					resource.TestStep{
						PreConfig: func() {
							if mac.sh(script); mac.state() == applied {
								t.Error("the script changed nothing")
							}
						},
						Config:            mac.anchor("tfacc.drift", story),
						ConfigPlanChecks:  planned(plancheck.ResourceActionUpdate),
						ConfigStateChecks: []statecheck.StateCheck{loaded(storyLoaded...)},
						Check: func(*terraform.State) error {
							if now := mac.state(); now != applied {
								return fmt.Errorf("the Mac is not as it was applied:\n%s", diff(applied, now))
							}
							return nil
						},
					},
				)
			})
		})
	}
}

// A text that loads to the same rules is a new file and nothing else, and the plan says so.
func TestPFAnchor_reformatted(t *testing.T) {
	mac := simulated(t)
	again := "# Other words.\n\n" + strings.ReplaceAll(story, " ", "  ")
	mac.run(
		resource.TestStep{Config: mac.anchor("tfacc.same", story)},
		resource.TestStep{
			PreConfig: mac.ForgetCalls,
			Config:    mac.anchor("tfacc.same", again),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(anchorAddress, plancheck.ResourceActionUpdate),
				plancheck.ExpectKnownValue(anchorAddress, tfjsonpath.New("loaded_rules"), knownvalue.ListSizeExact(4)),
			}},
			Check: func(*terraform.State) error {
				for _, line := range mac.writes() {
					if strings.Contains(line, "pfctl") {
						return fmt.Errorf("rules were loaded: %s", line)
					}
				}
				if got := mac.sh("cat /etc/pf.anchors/tfacc.same"); got != again {
					return fmt.Errorf("the file is not the text:\n%s", diff(again, got))
				}
				return nil
			},
		},
	)
}

// Rules that pfctl refuses fail in the plan, at the attribute, in pfctl's words; nothing is written.
func TestPFAnchor_refused(t *testing.T) {
	for name, test := range map[string]struct{ rules, want string }{
		"syntax-error":  {"pass in all\npass in proto tcp to any prot 22\n", `(?s)rules = .*line 2: syntax error pass in proto tcp to any prot 22`},
		"option":        {"set skip on lo0\npass in all\n", `(?s)accepts this in an anchor.*set skip on`},
		"inline-anchor": {"anchor \"x\" {\n  pass in all\n}\n", `Anchor With a Body`},
		"order":         {"pass in all\nrdr on en0 proto tcp to any port 80 -> 127.0.0.1 port 8080\n", `Rules must be in order`},
		"binary":        {"pass in\x01\x02", `Rules Are Not Text`},
		"huge":          {strings.Repeat("# a comment of some length\n", 40000), `string length`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mac := simulated(t)
			mac.run(resource.TestStep{Config: mac.anchor("tfacc.bad", test.rules), ExpectError: wrapped(test.want)})
			if w := mac.writes(); len(w) > 0 {
				t.Errorf("something was written: %q", w)
			}
		})
	}
}

func TestPFAnchor_badNames(t *testing.T) {
	for _, name := range []string{
		"", "../x", "a//b", "/a", "a/", "a b", "a\"b", "a\nb", "_hidden", "a/_b", "com.apple", "com.apple/a/b",
		"com.apple/250.ApplicationFirewall", strings.Repeat("x", 64), "é",
	} {
		mac := simulated(t)
		mac.run(resource.TestStep{Config: mac.anchor(name, story), ExpectError: regexp.MustCompile(`Invalid Anchor Name`)})
		if len(mac.Calls()) > 0 {
			t.Errorf("%q: the Mac was asked", name)
		}
	}
}

// An anchor that is there already is not taken over, unless it is just what is wanted.
func TestPFAnchor_exists(t *testing.T) {
	for name, test := range map[string]struct {
		script string
		ok     bool
	}{
		"other-rules":       {`echo "pass in all" | /sbin/pfctl -q -a tfacc.there -f - 2>/dev/null`, false},
		"other-file":        {`echo "pass in all" >/etc/pf.anchors/tfacc.there`, false},
		"file-in-capitals":  {`echo "pass in all" >/etc/pf.anchors/TFACC.there`, false},
		"same-file":         {`printf %s "$1" >/etc/pf.anchors/tfacc.there`, true},
		"same-rules":        {`printf %s "$1" | /sbin/pfctl -q -o none -a tfacc.there -f - 2>/dev/null`, true},
		"same-rules-edited": {`printf "# by hand\n%s" "$1" >/etc/pf.anchors/tfacc.there`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mac := simulated(t)
			mac.sh(test.script, story)
			before := mac.state()
			step := resource.TestStep{Config: mac.anchor("tfacc.there", story)}
			if !test.ok {
				step.ExpectError = wrapped(`pf Anchor "tfacc.there" Exists`)
			}
			resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: []resource.TestStep{step}})
			if after := mac.state(); !test.ok && after != before {
				t.Errorf("something changed:\n%s", diff(before, after))
			}
		})
	}
}

package provider

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
)

const tableAddress = "macos_pf_table.test"

// declares are rules that declare a table and use it, on an interface that is not ours.
const declares = "table <bad> persist\nblock drop in quick on en1 from <bad>\n"

// table is the configuration of a table of an anchor, beside it.
func (m *testMac) table(body string, addresses ...string) string {
	return m.anchor("tfacc.web", declares) + fmt.Sprintf(`
resource "macos_pf_table" "test" {
  anchor    = macos_pf_anchor.test.name
  name      = "bad"
  addresses = [%s]
%s
}
`, quoted(addresses), body)
}

func quoted(all []string) string {
	var b strings.Builder
	for _, s := range all {
		fmt.Fprintf(&b, "%q, ", s)
	}
	return b.String()
}

func addresses(all ...string) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(tableAddress, tfjsonpath.New("addresses"), exactly(all...))
}

func exactly(all ...string) knownvalue.Check {
	var want []knownvalue.Check
	for _, a := range all {
		want = append(want, knownvalue.StringExact(a))
	}
	return knownvalue.SetExact(want)
}

func plannedTable(action plancheck.ResourceActionType) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(tableAddress, action)}}
}

// holds expects this in the kernel, as pfctl prints it, and in the file.
func (m *testMac) holds(want ...string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		kernel := strings.Fields(m.sh("/sbin/pfctl -q -a tfacc.web -t bad -T show"))
		file := strings.Fields(m.sh("cat /etc/pf.tables/tfacc.web:bad"))
		if d := diff(strings.Join(want, "\n"), strings.Join(kernel, "\n")); d != "" {
			return fmt.Errorf("in the kernel:\n%s", d)
		}
		if len(file) != len(want) {
			return fmt.Errorf("in the file: %q", file)
		}
		return nil
	}
}

func TestPFTable_basic(t *testing.T) {
	macs(t, func(t *testing.T, mac *testMac) {
		mac.run(
			resource.TestStep{
				Config:            mac.table("", "10.0.0.1/32", "192.0.2.0/24", "!192.0.2.7", "2001:DB8::1"),
				ConfigPlanChecks:  plannedTable(plancheck.ResourceActionCreate),
				ConfigStateChecks: []statecheck.StateCheck{addresses("10.0.0.1/32", "192.0.2.0/24", "!192.0.2.7", "2001:DB8::1")},
				Check:             mac.holds("10.0.0.1", "192.0.2.0/24", "!192.0.2.7", "2001:db8::1"),
			},
			resource.TestStep{ // The same in other words is no change.
				Config:           mac.table("", "10.0.0.1", "192.0.2.99/24", "! 192.0.2.7", "2001:db8:0::1/128"),
				ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}},
			},
			resource.TestStep{
				ResourceName: tableAddress, ImportState: true, ImportStateId: "mini/tfacc.web/bad",
				ImportStateCheck: func(states []*terraform.InstanceState) error {
					if got := states[0].Attributes; got["addresses.#"] != "4" || got["exclusive"] != "true" || got["drift.#"] != "0" {
						return fmt.Errorf("imported: %v", got)
					}
					return nil
				},
			},
			resource.TestStep{
				Config:            mac.table("", "10.0.0.2", "192.0.2.7"),
				ConfigPlanChecks:  plannedTable(plancheck.ResourceActionUpdate),
				ConfigStateChecks: []statecheck.StateCheck{addresses("10.0.0.2", "192.0.2.7")},
				Check:             mac.holds("10.0.0.2", "192.0.2.7"),
			},
			resource.TestStep{Config: mac.table(""), ConfigStateChecks: []statecheck.StateCheck{addresses()}, Check: mac.holds()},
			resource.TestStep{
				Config:           strings.Replace(mac.table("", "10.0.0.2"), `"bad"`, `"worse"`, 1),
				ConfigPlanChecks: plannedTable(plancheck.ResourceActionReplace),
			},
		)
	})
}

// Each way in which a Mac can drift, alone: it is planned as an update, of just these addresses, and after it the Mac is as before.
func TestPFTable_drift(t *testing.T) {
	for name, test := range map[string]struct {
		script string
		found  []string // in the plan, before it
		drift  int
	}{
		"one added":    {"/sbin/pfctl -q -a tfacc.web -t bad -T add 203.0.113.9", []string{"10.0.0.1", "10.0.0.2/32", "203.0.113.9"}, 0},
		"one deleted":  {"/sbin/pfctl -q -a tfacc.web -t bad -T delete 10.0.0.1", []string{"10.0.0.2/32"}, 0},
		"one excepted": {"/sbin/pfctl -q -a tfacc.web -t bad -T replace 10.0.0.1 '!10.0.0.2'", []string{"10.0.0.1", "!10.0.0.2"}, 0},
		"flushed":      {"/sbin/pfctl -q -a tfacc.web -t bad -T flush", nil, 0},
		"file removed": {"rm -r /etc/pf.tables", []string{"10.0.0.1", "10.0.0.2/32"}, 1},
		"file edited":  {"echo 10.9.9.9 >>/etc/pf.tables/tfacc.web:bad", []string{"10.0.0.1", "10.0.0.2/32"}, 1},
		"file's mode":  {"chmod 0666 /etc/pf.tables/tfacc.web:bad", []string{"10.0.0.1", "10.0.0.2/32"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			macs(t, func(t *testing.T, mac *testMac) {
				var applied string
				config := mac.table("", "10.0.0.1", "10.0.0.2/32")
				mac.run(
					resource.TestStep{Config: config, Check: func(*terraform.State) error { applied = mac.state(); return nil }},
					resource.TestStep{
						PreConfig: func() { mac.sh(test.script) }, RefreshState: true, ExpectNonEmptyPlan: true,
						Check: func(s *terraform.State) error {
							got := s.RootModule().Resources[tableAddress].Primary.Attributes
							if got["addresses.#"] != fmt.Sprint(len(test.found)) || got["drift.#"] != fmt.Sprint(test.drift) {
								return fmt.Errorf("found %v", got)
							}
							return nil
						},
					},
					resource.TestStep{
						Config: config, ConfigPlanChecks: plannedTable(plancheck.ResourceActionUpdate),
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

// Beside addresses that others put there, ours are kept, and theirs neither touched nor shown.
func TestPFTable_shared(t *testing.T) {
	macs(t, func(t *testing.T, mac *testMac) {
		shared := "  exclusive = false"
		mac.run(
			resource.TestStep{Config: mac.table(shared, "10.0.0.1", "10.0.0.2")},
			resource.TestStep{
				PreConfig:         func() { mac.sh("/sbin/pfctl -q -a tfacc.web -t bad -T add 203.0.113.9") },
				Config:            mac.table(shared, "10.0.0.1", "10.0.0.2"),
				ConfigPlanChecks:  resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}},
				ConfigStateChecks: []statecheck.StateCheck{addresses("10.0.0.1", "10.0.0.2")},
			},
			resource.TestStep{
				PreConfig:         func() { mac.sh("/sbin/pfctl -q -a tfacc.web -t bad -T delete 10.0.0.1") },
				Config:            mac.table(shared, "10.0.0.1", "10.0.0.3"),
				ConfigPlanChecks:  plannedTable(plancheck.ResourceActionUpdate),
				ConfigStateChecks: []statecheck.StateCheck{addresses("10.0.0.1", "10.0.0.3")},
				Check: func(*terraform.State) error {
					if got := strings.Fields(mac.sh("/sbin/pfctl -q -a tfacc.web -t bad -T show")); diff([]string{"10.0.0.1", "10.0.0.3", "203.0.113.9"}, got) != "" {
						return fmt.Errorf("the table holds %q", got)
					}
					return nil
				},
			},
		)
	})
}

// A table that holds what is not wanted is not taken over; one that holds some of it is.
func TestPFTable_exists(t *testing.T) {
	mac := simulated(t)
	mac.sh("/sbin/pfctl -q -a tfacc.there -t bad -T add 10.0.0.1 10.0.0.9")
	before := mac.state()
	config := func(body string) string {
		return mac.provider + "resource \"macos_pf_table\" \"test\" {\n  anchor = \"tfacc.there\"\n  name = \"bad\"\n" + body + "\n}\n"
	}
	resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: []resource.TestStep{
		{Config: config(`addresses = ["10.0.0.1"]`), ExpectError: wrapped(`(?s)Table <bad> of Anchor "tfacc.there" Exists.*10\.0\.0\.9.*import ADDRESS 'mini/tfacc.there/bad'`)},
		{Config: config(`addresses = ["10.0.0.1", "10.0.0.9", "10.0.0.10"]`)},
	}})
	if after := mac.state(); after != strings.Replace(before, "\ttable <bad> -pa--- { 10.0.0.1 10.0.0.9 }\n", "", 1) && strings.Contains(after, "10.0.0") {
		t.Errorf("something is left:\n%s", diff(before, after))
	}
}

func TestPFTable_refused(t *testing.T) {
	mac := simulated(t)
	for body, want := range map[string]string{
		`"en0"`:                      `Invalid Address`,
		`"localhost"`:                `Invalid Address`,
		`"10.0.0.1", "10.0.0.1/32"`:  `Address Is There Twice`,
		`"10.0.0.1", "!10.0.0.1"`:    `Address Is There Twice`,
		`"10.0.0.0/8", "10.1.0.0/8"`: `Address Is There Twice`,
	} {
		mac.run(resource.TestStep{
			Config:      mac.provider + "resource \"macos_pf_table\" \"test\" {\n  anchor = \"a\"\n  name = \"bad\"\n  addresses = [" + body + "]\n}\n",
			ExpectError: wrapped(want),
		})
	}
	for _, name := range []string{"", "<bad>", "a b", "_x", strings.Repeat("x", 32), "a/b", "a:b"} {
		mac.run(resource.TestStep{
			Config:      mac.provider + fmt.Sprintf("resource \"macos_pf_table\" \"test\" {\n  anchor = \"a\"\n  name = %q\n  addresses = []\n}\n", name),
			ExpectError: wrapped(`Invalid Table Name`),
		})
	}
	if len(mac.Calls()) > 0 {
		t.Error("the Mac was asked")
	}
}

// A reboot empties the table; the boot job of macos_pf fills it again, and there is nothing to do.
func TestPFTable_reboot(t *testing.T) {
	mac := simulated(t)
	config := mac.table("", "10.0.0.1", "10.0.0.2") + "resource \"macos_pf\" \"test\" {\n  depends_on = [macos_pf_table.test]\n}\n"
	mac.run(
		resource.TestStep{Config: config},
		resource.TestStep{
			PreConfig: mac.Reboot, Config: config, Check: mac.holds("10.0.0.1", "10.0.0.2"),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}},
		},
	)
}

// Rules may be filled from the file, which is there before them and goes after them.
func TestPFTable_persistFile(t *testing.T) {
	mac := simulated(t)
	config := func(address string) string {
		return mac.provider + fmt.Sprintf(`
resource "macos_pf_table" "test" {
  anchor    = "tfacc.web"
  name      = "bad"
  addresses = [%q]
}
resource "macos_pf_anchor" "test" {
  name  = "tfacc.web"
  rules = <<-EOT
    table <bad> persist file "${macos_pf_table.test.file}"
    block drop in quick on en1 from <bad>
  EOT
}
`, address)
	}
	mac.run(
		resource.TestStep{Config: config("10.0.0.1"), Check: mac.holds("10.0.0.1")},
		resource.TestStep{
			Config: config("10.0.0.2"), Check: mac.holds("10.0.0.2"),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(tableAddress, plancheck.ResourceActionUpdate),
				plancheck.ExpectResourceAction(anchorAddress, plancheck.ResourceActionNoop),
			}},
		},
		resource.TestStep{
			PreConfig: mac.Reboot, Config: config("10.0.0.2"), Check: mac.holds("10.0.0.2"),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}},
		},
	)
}

// A plan foresees that an address, or the lack of one, cuts the way in; with allow_lockout the Mac takes it back by itself.
func TestPFTable_lockout(t *testing.T) {
	sim := macsim.Start(t, macsim.Mac{
		Second: second, Client: netip.MustParseAddrPort("198.51.100.7:50000"), Server: netip.MustParseAddrPort("192.168.1.10:22"),
	})
	mac := &testMac{Mac: sim, t: t, provider: providerBlock(sim)}
	config := func(body string, list ...string) string {
		return mac.anchor("tfacc.web", "pass out all\ntable <bad> persist\nblock drop in quick on en0 from <bad>\n") + fmt.Sprintf(`
resource "macos_pf" "on" {
  depends_on = [macos_pf_anchor.test]
}
resource "macos_pf_table" "test" {
  anchor     = "tfacc.web"
  name       = "bad"
  addresses  = [%s]
  depends_on = [macos_pf.on]
  %s
}
`, quoted(list), body)
	}
	var before string
	mac.run(
		resource.TestStep{Config: config("", "203.0.113.0/24"), Check: func(*terraform.State) error { before = mac.state(); return nil }},
		resource.TestStep{
			Config:      config("", "198.51.100.0/24"),
			ExpectError: wrapped(`(?s)pf Table <bad> of Anchor "tfacc.web" Would Cut mini Off.*block drop in quick on en0 from <bad>.*allow_lockout = true`),
		},
		resource.TestStep{
			PreConfig:   func() { go mac.unconfirmed(mac.held) },
			Config:      config("allow_lockout = true", "198.51.100.0/24"),
			ExpectError: wrapped(`(?s)Unable to Change pf Table <bad>.*has undone it by itself.*probably why.*block drop in quick on en0 from`),
		},
		resource.TestStep{
			PreConfig: func() {
				if now := mac.state(); now != before {
					t.Errorf("it is not undone:\n%s", diff(before, now))
				}
			},
			Config: config("", "203.0.113.0/24"), ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}},
		},
		resource.TestStep{Config: config("", "198.51.100.0/24", "!198.51.100.7")},
	)
}

// What a user should read before agreeing: that the table will not outlive a reboot, and that the rules fill it themselves.
func TestPFTable_warnings(t *testing.T) {
	mac := simulated(t)
	mac.sh(`mkdir -p /etc/pf.tables && echo 10.0.0.1 >/etc/pf.tables/tfacc.web:bad && printf 'table <own> { 10.0.0.1 }\npass in from <own>\n' >/etc/pf.anchors/tfacc.web`)
	r := newRun(t, mac)
	plan := func(name string) string {
		is := values{"anchor": "tfacc.web", "name": name, "exclusive": true, "addresses": set{"10.0.0.1"}}
		return strings.Join(r.everything(&pfTableResource{onMac{r.inventory}}, is, is), "\n")
	}
	if got := plan("bad"); !regexp.MustCompile(`^warning: pf Table <bad> of Anchor "tfacc.web" Will Be Empty After a Reboot\n[^\n]*macos_pf resource`).MatchString(got) {
		t.Errorf("got %s", got)
	}
	if got := plan("own"); !strings.Contains(got, `The Rules of Anchor "tfacc.web" Fill Table <own> Themselves`) {
		t.Errorf("got %s", got)
	}
}

// The table comes before the rules that let in who is in it, and goes after them: at no moment is the way in cut.
func TestPFTable_wayIn(t *testing.T) {
	sim := macsim.Start(t, macsim.Mac{
		Second: second, Client: netip.MustParseAddrPort("198.51.100.7:50000"), Server: netip.MustParseAddrPort("192.168.1.10:22"),
	})
	mac := &testMac{Mac: sim, t: t, provider: providerBlock(sim)}
	config := func(rules string, list ...string) string {
		return mac.provider + fmt.Sprintf(`
resource "macos_pf_table" "test" {
  anchor    = "tfacc.ssh"
  name      = "admins"
  addresses = [%s]
}
resource "macos_pf_anchor" "test" {
  name  = "tfacc.ssh"
  rules = <<-EOT
    table <${macos_pf_table.test.name}> persist
    pass out all
    block in proto tcp to any port 22
    pass in proto tcp from <${macos_pf_table.test.name}> to any port 22
    %s
  EOT
}
resource "macos_pf" "on" {
  depends_on = [macos_pf_anchor.test]
}
`, quoted(list), rules)
	}
	mac.run(
		resource.TestStep{Config: config("", "203.0.113.0/24"), ExpectError: wrapped(`(?s)pf Anchor "tfacc.ssh" Would Cut mini Off.*block in proto tcp to any port 22`)},
		resource.TestStep{Config: config("", "198.51.100.0/24")},
		resource.TestStep{Config: config("", "203.0.113.0/24"), ExpectError: wrapped(`pf Table <admins> of Anchor "tfacc.ssh" Would Cut mini Off`)},
		resource.TestStep{Config: config("# reloaded", "198.51.100.0/24", "203.0.113.0/24")},
		resource.TestStep{PreConfig: mac.Reboot, Config: config("# reloaded", "198.51.100.0/24", "203.0.113.0/24"), PlanOnly: true},
	)
}

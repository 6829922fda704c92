package provider

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	frameworkresource "github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/pfctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

// reached is a simulated Mac that is reached at one of its addresses, with rules that act on the connection.
func reached(t *testing.T, server string) *testMac {
	t.Helper()
	client := map[bool]string{true: "100.64.0.9:50000", false: "198.51.100.7:50000"}[strings.HasPrefix(server, "100.")]
	sim := macsim.Start(t, macsim.Mac{
		Second: second, Client: netip.MustParseAddrPort(client), Server: netip.MustParseAddrPort(server + ":22"),
	})
	return &testMac{Mac: sim, t: t, provider: providerBlock(sim)}
}

// A run plans one resource after the other, as the CLI does in one run, and shows what is said: the CLI shows tests no warnings.
type run struct {
	t         *testing.T
	inventory *inventory
}

func newRun(t *testing.T, mac *testMac) *run {
	return &run{t, &inventory{
		macs:    map[string]*remote.Host{"mini": reach(t, mac)},
		planned: map[string]*pfctl.Planned{"mini": new(pfctl.Planned)},
	}}
}

// values are a resource's attributes.
type values map[string]any

// A set is one that is no list.
type set []string

func (v values) with(more values) values {
	all := maps.Clone(v)
	maps.Copy(all, more)
	return all
}

func (v values) attributes() map[string]tftypes.Value {
	all := map[string]tftypes.Value{"host": tftypes.NewValue(tftypes.String, "mini")}
	for name, value := range v {
		switch value := value.(type) {
		case string:
			all[name] = tftypes.NewValue(tftypes.String, value)
		case bool:
			all[name] = tftypes.NewValue(tftypes.Bool, value)
		case []string:
			var elements []tftypes.Value
			for _, e := range value {
				elements = append(elements, tftypes.NewValue(tftypes.String, e))
			}
			all[name] = tftypes.NewValue(tftypes.List{ElementType: tftypes.String}, elements)
		case set:
			var elements []tftypes.Value
			for _, e := range value {
				elements = append(elements, tftypes.NewValue(tftypes.String, e))
			}
			all[name] = tftypes.NewValue(tftypes.Set{ElementType: tftypes.String}, elements)
		}
	}
	return all
}

// plan plans a resource that is as state and will be as wanted; nil is that it does not exist. It returns what was said of a forecast, each
// as "error: SUMMARY\nDETAIL" or "warning: SUMMARY\nDETAIL".
func (r *run) plan(of frameworkresource.ResourceWithModifyPlan, state, wanted values) []string {
	r.t.Helper()
	return slices.DeleteFunc(r.everything(of, state, wanted), func(said string) bool {
		summary, _, _ := strings.Cut(said, "\n")
		return strings.Contains(summary, "Main Ruleset") || strings.Contains(summary, "at Boot") || strings.Contains(summary, "Reboot")
	})
}

// everything is plan with all that was said.
func (r *run) everything(of frameworkresource.ResourceWithModifyPlan, state, wanted values) []string {
	r.t.Helper()
	value := func(v values) tfsdk.Plan {
		p := withAttributes(r.t, of, v.attributes())
		if v == nil {
			p.Raw = tftypes.NewValue(p.Raw.Type(), nil)
		}
		return p
	}
	before, after := value(state), value(wanted)
	resp := frameworkresource.ModifyPlanResponse{Plan: after}
	of.ModifyPlan(r.t.Context(), frameworkresource.ModifyPlanRequest{
		Config: tfsdk.Config(after), Plan: after, State: tfsdk.State(before),
	}, &resp)
	var all []string
	for _, d := range resp.Diagnostics {
		kind := map[diag.Severity]string{diag.SeverityError: "error", diag.SeverityWarning: "warning"}[d.Severity()]
		all = append(all, kind+": "+d.Summary()+"\n"+d.Detail())
	}
	return all
}

func (r *run) anchor(state, wanted values) []string {
	r.t.Helper()
	return r.plan(&pfAnchorResource{onMac{r.inventory}}, state, wanted)
}

func (r *run) pf(state, wanted values) []string {
	r.t.Helper()
	return r.plan(&pfResource{onMac{r.inventory}}, state, wanted)
}

// expect compares what was said with regular expressions.
func expect(t *testing.T, what string, said []string, want ...string) {
	t.Helper()
	if len(said) != len(want) {
		t.Errorf("%s: got %d diagnostics, want %d:\n%s", what, len(said), len(want), strings.Join(said, "\n---\n"))
		return
	}
	for i := range want {
		if !regexp.MustCompile(want[i]).MatchString(said[i]) {
			t.Errorf("%s: want %s, got:\n%s", what, want[i], said[i])
		}
	}
}

// walls are rules that let the Mac have what it asks for, and nobody in; ways let ssh in.
const (
	walls = "pass out quick all\nblock drop in all\n"
	ways  = "pass in quick proto tcp to any port 22\n"
)

// The story's first rules are refused in the plan: with the line, the reason and the cure, and how to go on all the same.
func TestForecast_story(t *testing.T) {
	const first = `# Only Tailscale gets in.
block drop in on en0 proto tcp all
block drop in on en0 proto udp all
pass in on en0 proto udp from any to any port 41641
`
	mac := reached(t, "100.64.0.5")
	mac.run(resource.TestStep{
		Config: mac.anchor("com.apple/250.story", first),
		ExpectError: wrapped(`(?s)pf Anchor "com.apple/250.story" Would Cut mini Off.*rules = .*` +
			`DNS from the router, over en0: out on en0 inet proto udp .*` +
			`Line 3 of the rules of anchor "com.apple/250.story" cuts it: block drop in on en0 proto udp all .*without a state.*` +
			"With this it would pass: `pass out on en0 all keep state` before line .*" +
			`depends_on.*allow_lockout = true`),
	})
	if w := mac.writes(); len(w) > 0 {
		t.Errorf("something was written: %q", w)
	}
	r := newRun(t, mac)
	expect(t, "forced", r.anchor(nil, values{"name": "com.apple/250.story", "rules": first, "allow_lockout": true}),
		`warning: pf Anchor "com.apple/250.story" Would Cut mini Off(?s:.*)since allow_lockout is set`)
	r = newRun(t, mac)
	expect(t, "cured", r.anchor(nil, values{"name": "com.apple/250.story", "rules": story}))
}

func TestForecast_wayIn(t *testing.T) {
	r := newRun(t, reached(t, "192.168.1.10"))
	cut := `(?s)^error: pf Anchor "com.apple/260.walls" Would Cut mini Off\n` +
		`This would be cut:\n\n    a new SSH connection, the way this one came: in on en0 proto tcp from 198.51.100.7 to 192.168.1.10 port 22\n\n` +
		`Line 2 of the rules of anchor "com.apple/260.walls" cuts it:\n\n    block drop in all\n\n.*depends_on.*allow_lockout = true`
	walled, open := values{"name": "com.apple/260.walls", "rules": walls}, values{"name": "com.apple/250.ways", "rules": ways}
	expect(t, "walls", r.anchor(nil, walled), cut)
	expect(t, "ways", r.anchor(nil, open))
	expect(t, "walls after ways", r.anchor(nil, walled))
	expect(t, "with its own ways", newRun(t, reached(t, "192.168.1.10")).anchor(nil, walled.with(values{"rules": ways + walls})))
}

// What cannot be told is a warning, and no more.
func TestForecast_doubt(t *testing.T) {
	mac := reached(t, "192.168.1.10")
	expect(t, "user", newRun(t, mac).anchor(nil, values{"name": "com.apple/250.x", "rules": "pass out quick all\nblock in proto tcp to any port 22 user alice\n"}),
		`(?s)^warning: Cannot Tell Whether pf Anchor "com.apple/250.x" Cuts mini Off\n.*a new SSH connection.*owner`)
}

func TestForecast_demands(t *testing.T) {
	mac := reached(t, "192.168.1.10")
	anchor := values{"name": "com.apple/250.x", "rules": "pass out quick all\nblock in proto tcp to any port 80\n"}
	expect(t, "kept", newRun(t, mac).anchor(nil, anchor.with(values{
		"must_pass": []string{"in on en0 proto tcp to any port 81"}, "must_block": []string{"in on en0 proto tcp to any port 80"},
	})))
	broken := anchor.with(values{
		"must_pass": []string{"in on en0 proto tcp to any port 80"}, "must_block": []string{"in on en0 proto tcp to any port 81"},
	})
	expect(t, "broken", newRun(t, mac).anchor(nil, broken),
		`(?s)^error: pf Anchor "com.apple/250.x" Would Not Do on mini What It Must\nThis would be cut:\n\n    a flow in must_pass of anchor [^\n]*: in on en0 proto tcp from any to any port 80\n\n`+
			`Line 2 .* cuts it:.*must not:\n\n    a flow in must_block of anchor[^\n]*port 81`)
	expect(t, "forced", newRun(t, mac).anchor(nil, broken.with(values{"allow_lockout": true})), `^warning: `)

	plan := func(name string) string {
		return strings.Replace(mac.anchor("tfacc.flows", story), "  rules", "  "+name+" = [\"out all\", \"in on en0 prot tcp\"]\n  rules", 1)
	}
	mac.ForgetCalls()
	mac.run(
		resource.TestStep{Config: plan("must_pass"), ExpectError: wrapped(`(?s)Invalid Flow.*must_pass = .*did you mean proto`)},
		resource.TestStep{Config: plan("must_block"), ExpectError: wrapped(`(?s)Invalid Flow.*must_block = .*did you mean proto`)},
	)
	for _, c := range mac.Calls() {
		if c.SSH {
			t.Fatalf("the Mac was asked: %q", c.Argv)
		}
	}
}

// Enabling pf is judged with what it puts in force.
func TestForecast_enable(t *testing.T) {
	mac := reached(t, "192.168.1.10")
	mac.sh(`printf %s "$1" | /sbin/pfctl -q -a com.apple/260.walls -f - 2>/dev/null`, walls)
	before := mac.state()
	resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: []resource.TestStep{{
		Config: mac.pf("  host = \"mini\""), ExpectError: wrapped(`(?s)Enabling pf Would Cut mini Off.*host = .*block drop in all.*allow_lockout`),
	}}})
	if after := mac.state(); after != before {
		t.Errorf("something changed:\n%s", diff(before, after))
	}
	expect(t, "forced", newRun(t, mac).pf(nil, values{"allow_lockout": true}),
		`^warning: Enabling pf Would Cut mini Off`, `(?s)^warning: Connections to mini That Are Open Now Will Stall\n.*the ssh sessions|ssh sessions of people`)

	mac.sh(`printf %s "$1" | /sbin/pfctl -q -a com.apple/250.ways -f - 2>/dev/null`, ways)
	expect(t, "stall", newRun(t, mac).pf(nil, values{}), `(?s)^warning: Connections to mini That Are Open Now Will Stall\n.*port 22 open\n.*block drop in all`)

	mac.sh(`printf %s "$1" | /sbin/pfctl -q -a com.apple/250.ways -f - 2>/dev/null`, strings.TrimSpace(ways)+" flags any\n")
	expect(t, "picked up", newRun(t, mac).pf(nil, values{}))
}

// An anchor that is to go is judged as well, and so is one that gets another name.
func TestForecast_removal(t *testing.T) {
	mac := reached(t, "192.168.1.10")
	both := func(body string) string {
		return mac.provider + fmt.Sprintf("resource \"macos_pf_anchor\" \"walls\" {\n  name = \"com.apple/260.walls\"\n  rules = %q\n%s}\n", walls, body)
	}
	first := fmt.Sprintf("resource \"macos_pf_anchor\" \"ways\" {\n  name = \"com.apple/250.ways\"\n  rules = %q\n}\n", ways)
	removal := wrapped(`(?s)Removing pf Anchor "com.apple/250.ways" Would Cut mini Off.*nchor "com.apple/260.walls" cuts it: block drop in all`)
	mac.run(
		resource.TestStep{Config: both("  depends_on = [macos_pf_anchor.ways]\n") + first},
		resource.TestStep{Config: both(""), ExpectError: removal},
	)

	mac.sh(`printf %s "$1" | /sbin/pfctl -q -a com.apple/260.walls -f - 2>/dev/null; printf %s "$2" | /sbin/pfctl -q -o none -a com.apple/250.ways -f - 2>/dev/null`, walls, ways)
	old := values{"name": "com.apple/250.ways", "rules": ways}
	expect(t, "removed", newRun(t, mac).anchor(old, nil), `^error: Removing pf Anchor "com.apple/250.ways" Would Cut mini Off`)
	expect(t, "forced", newRun(t, mac).anchor(old.with(values{"allow_lockout": true}), nil), `^warning: Removing`)
	expect(t, "renamed", newRun(t, mac).anchor(old, values{"name": "com.apple/240.ways", "rules": ways}),
		`(?s)^warning: Replacing pf Anchor "com.apple/250.ways" Would Cut mini Off\n.*create_before_destroy`)
	expect(t, "renamed too late", newRun(t, mac).anchor(old, values{"name": "com.apple/270.ways", "rules": "pass in on lo0 all\n"}),
		`^error: pf Anchor "com.apple/270.ways" Would Cut`, `^warning: Replacing`)
}

// What only the plan uses is in the state, and loads nothing.
func TestForecast_attributes(t *testing.T) {
	mac := simulated(t)
	with := func(body string) string {
		return strings.Replace(mac.anchor("tfacc.demands", story), "  rules", body+"\n  rules", 1)
	}
	demands := with("  allow_lockout = true\n  must_pass = [\"in on en0 proto udp to any port 41641\"]\n  must_block = [\"in on en0 proto tcp to any port 80\"]")
	nothing := func(*terraform.State) error {
		for _, line := range mac.writes() {
			if strings.Contains(line, "pfctl") {
				return fmt.Errorf("rules were loaded: %s", line)
			}
		}
		return nil
	}
	mac.run(
		resource.TestStep{Config: with("")},
		resource.TestStep{PreConfig: mac.ForgetCalls, Config: demands, ConfigPlanChecks: planned(plancheck.ResourceActionUpdate), Check: nothing},
		resource.TestStep{
			ResourceName: anchorAddress, ImportState: true, ImportStateId: "mini/tfacc.demands", ImportStateVerify: true,
			ImportStateVerifyIdentifierAttribute: "name", ImportStateVerifyIgnore: []string{"allow_lockout", "must_pass", "must_block"},
		},
		resource.TestStep{PreConfig: mac.ForgetCalls, Config: with(""), ConfigPlanChecks: planned(plancheck.ResourceActionUpdate), Check: nothing},
	)
}

// A plan without a change takes two requests, which are sent together, whatever is demanded: for pf, and for how the Mac is connected. With
// them goes one for jobs, for which this plan does not wait.
func TestForecast_noChange(t *testing.T) {
	mac := simulated(t)
	config := strings.Replace(mac.anchor("tfacc.same", story), "  rules", "  must_block = [\"in on en0 proto tcp to any port 80\"]\n  rules", 1)
	mac.run(
		resource.TestStep{Config: config},
		resource.TestStep{PreConfig: mac.ForgetCalls, Config: config, PlanOnly: true},
		resource.TestStep{
			PreConfig: func() {
				var connections, decoded int
				for _, c := range mac.Calls() {
					switch {
					case c.SSH && c.Argv[0] == "/usr/bin/uname":
						connections++
					case c.SSH && c.Argv[0] == "/usr/bin/base64":
						decoded++
					}
				}
				// Each connection begins with two scripts of its own.
				if connections == 0 || decoded < 4*connections || decoded > 5*connections {
					t.Errorf("%d requests over %d connections, want two or three each", decoded-2*connections, connections)
				}
			},
			Config: config, PlanOnly: true,
		},
	)
}

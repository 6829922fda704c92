package provider

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	frameworkresource "github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/pfctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

// fleetBlock is the configuration that reaches simulated Macs, by their names, with more settings for all of them.
func fleetBlock(sims map[string]*macsim.Mac, settings string) string {
	var b strings.Builder
	for name, sim := range sims {
		address, port, _ := strings.Cut(sim.Addr(), ":")
		fmt.Fprintf(&b, "    %s = { address = %q, port = %s, user = \"admin\", host_key = %q, private_key = %q }\n", name, address, port,
			strings.TrimSpace(string(ssh.MarshalAuthorizedKey(sim.HostKey()))), sim.ClientKey())
	}
	return "provider \"macos\" {\n  ssh_config_file = \"none\"\n  confirm_timeout = \"10m\"\n" + settings + "\n  hosts = {\n" + b.String() + "  }\n}\n"
}

// A Mac that is away is told once in full. What is read after that says nothing, and what is changed a line; a warning is no error.
func TestAway_told(t *testing.T) {
	t.Parallel()
	lostReading := func(err error) error {
		var dial *remote.DialError
		errors.As(err, &dial)
		return &remote.LostError{Host: "mini", Err: io.EOF, Reading: dial}
	}
	read, importing := pfState(t, stringList(nil)), pfState(t, types.ListNull(types.StringType))
	for name, test := range map[string]struct {
		keeps bool
		stage remote.Stage
		do    func(*onMac, *diag.Diagnostics, error)
		want  []string // the beginning of each one's summary; of equal ones there is one
	}{
		"read": {
			false, remote.StageTCP, func(m *onMac, d *diag.Diagnostics, err error) { m.unread(t.Context(), d, "Unable to Read", err, read) },
			[]string{"Error: Unable to Reach mini"},
		},
		"read-and-planned": {false, remote.StageTCP, func(m *onMac, d *diag.Diagnostics, err error) {
			m.unread(t.Context(), d, "Unable to Read", err, read)
			m.unplanned(d, "Unable to Plan", err, false)
		}, []string{"Error: Unable to Reach mini"}},
		// The error of a data source in a check block fails no run, so that of a resource has to.
		"source-and-read": {false, remote.StageTCP, func(m *onMac, d *diag.Diagnostics, err error) {
			explain(d, path.Root("host"), "Unable to Read the Source", err)
			m.unread(t.Context(), d, "Unable to Read", err, read)
		}, []string{"Error: Unable to Read the Source", "Error: Unable to Reach mini", "Error: Unable to Read the Source"}},
		"planned":   {false, remote.StageTCP, func(m *onMac, d *diag.Diagnostics, err error) { m.unplanned(d, "Unable to Plan", err, true) }, []string{"Error: Unable to Plan", "Error: Unable to Plan"}},
		"keep-read": {true, remote.StageAuth, func(m *onMac, d *diag.Diagnostics, err error) { m.unread(t.Context(), d, "Unable to Read", err, read) }, []string{"Warning: mini Cannot Be Reached"}},
		"keep-import": {true, remote.StageTCP, func(m *onMac, d *diag.Diagnostics, err error) {
			m.unread(t.Context(), d, "Unable to Read", err, importing)
		}, []string{"Error: Unable to Reach mini"}},
		"keep-config": {true, remote.StageConfig, func(m *onMac, d *diag.Diagnostics, err error) { m.unread(t.Context(), d, "Unable to Read", err, read) }, []string{"Error: Unable to Reach mini"}},
		"keep-key":    {true, remote.StageKey, func(m *onMac, d *diag.Diagnostics, err error) { m.unread(t.Context(), d, "Unable to Read", err, read) }, []string{"Error: Unable to Reach mini"}},
		"read-lost": {false, remote.StageReading, func(m *onMac, d *diag.Diagnostics, err error) {
			m.unread(t.Context(), d, "Unable to Read", lostReading(err), read)
		}, []string{"Error: Unable to Reach mini"}},
		"keep-lost": {true, remote.StageReading, func(m *onMac, d *diag.Diagnostics, err error) {
			m.unread(t.Context(), d, "Unable to Read", lostReading(err), read)
		}, []string{"Warning: mini Cannot Be Reached"}},
		"keep-planned": {true, remote.StageTCP, func(m *onMac, d *diag.Diagnostics, err error) { m.unplanned(d, "Unable to Plan", err, true) }, []string{"Warning: mini Cannot Be Reached"}},
		"keep-apply": {true, remote.StageTCP, func(m *onMac, d *diag.Diagnostics, err error) {
			m.unplanned(d, "Unable to Plan", err, false)
			m.unplanned(d, "Unable to Plan", err, true)
		}, []string{"Error: Unable to Plan", "Warning: mini Cannot Be Reached", "Error: Unable to Plan"}},
		"warned-then-changed": {true, remote.StageTCP, func(m *onMac, d *diag.Diagnostics, err error) {
			m.unread(t.Context(), d, "Unable to Read", err, read)
			explain(d, path.Root("host"), "Unable to Load", err)
		}, []string{"Warning: mini Cannot Be Reached", "Error: Unable to Load", "Error: Unable to Load"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &onMac{&inventory{keeps: map[string]bool{"mini": test.keeps}}}
			err := fmt.Errorf("pfctl: %w", &remote.DialError{Host: "mini", Stage: test.stage, Err: errors.New("refused")})
			var diags diag.Diagnostics
			for range 3 {
				test.do(m, &diags, err)
			}
			var got []string
			full := 0
			for _, d := range diags {
				got = append(got, d.Severity().String()+": "+d.Summary())
				for _, reason := range []string{"It failed at:", "does not tell how to reach", "ended while the Mac was being read"} {
					if d.Severity() == diag.SeverityError && strings.Contains(d.Detail(), reason) {
						full++
					}
				}
			}
			if !slices.EqualFunc(got, test.want, strings.HasPrefix) || full != 1 && diags.HasError() {
				t.Errorf("got %q, %d of them in full", got, full)
			}
		})
	}
}

// Readings that are cut one after the other are one failure of their Mac to users. What is imported has no other error.
func TestAway_lostAgain(t *testing.T) {
	t.Parallel()
	state, importing := pfState(t, stringList(nil)), pfState(t, types.ListNull(types.StringType))
	for _, test := range []struct {
		keeps     bool
		resources []tfsdk.State
		want      []string
	}{
		{false, []tfsdk.State{state, state, importing}, []string{"Error: Unable to Reach mini"}},
		{true, []tfsdk.State{state, state, state}, []string{"Warning: mini Cannot Be Reached, and Its Resources Are Not Read"}},
		{true, []tfsdk.State{state, importing, importing}, []string{"Warning: mini Cannot Be Reached, and Its Resources Are Not Read", "Error: Unable to Reach mini"}},
	} {
		mac := simulated(t)
		mac.Fail(func(argv []string) *macsim.Failure {
			if argv[0] != "/sbin/pfctl" {
				return nil
			}
			return &macsim.Failure{Cut: macsim.CutBefore}
		})
		h := reach(t, mac)
		m := &onMac{&inventory{keeps: map[string]bool{"mini": test.keeps}}}
		var got []string
		for _, read := range test.resources {
			_, err := pfctl.LookAtStatus(t.Context(), h)
			var diags diag.Diagnostics // each resource has its own answer
			m.unread(t.Context(), &diags, "Unable to Read", err, read)
			for _, d := range diags {
				got = append(got, d.Severity().String()+": "+d.Summary())
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("keeps %v: got %q", test.keeps, got)
		}
	}
}

// A Mac that answers and hangs while it is read is waited for once in a plan, which has one error for it.
func TestAway_hangs(t *testing.T) {
	t.Parallel()
	mac := simulated(t)
	var hangs atomic.Bool
	var waited atomic.Int32
	mac.Watch(func(argv []string, done bool) {
		for first := true; argv[0] == "/sbin/pfctl" && !done && hangs.Load() && t.Context().Err() == nil; first = false {
			if first {
				waited.Add(1)
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	anchors := `
resource "macos_pf_anchor" "test" {
  count = 30
  name  = "tfacc.hangs${count.index}"
  rules = "pass in all\n"
}
`
	resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: []resource.TestStep{
		{Config: connection(mac.Mac, nil) + anchors},
		{
			PreConfig: func() { hangs.Store(true) }, Config: connection(mac.Mac, map[string]string{"command_timeout": "3s"}) + anchors,
			ExpectError: wrapped(`(?s)Unable to Reach mini.*did not answer in time`),
		},
		{PreConfig: func() { hangs.Store(false) }, Config: connection(mac.Mac, nil) + anchors, PlanOnly: true},
	}})
	if n := waited.Load(); n != 1 {
		t.Errorf("it was waited for %d times", n)
	}
}

// pfState is a state of macos_pf with this drift: null in one that is being imported.
func pfState(t *testing.T, drift types.List) tfsdk.State {
	t.Helper()
	var schema frameworkresource.SchemaResponse
	(&pfResource{}).Schema(t.Context(), frameworkresource.SchemaRequest{}, &schema)
	s := tfsdk.State{Schema: schema.Schema, Raw: tftypes.NewValue(schema.Schema.Type().TerraformType(t.Context()), nil)}
	if diags := s.SetAttribute(t.Context(), path.Root("drift"), drift); diags.HasError() {
		t.Fatal(diags)
	}
	return s
}

// What is wrong with a jump host is said in full once, and each Mac behind it is named. Another reason is said in full again.
func TestAway_jumpHost(t *testing.T) {
	t.Parallel()
	state := pfState(t, stringList(nil))
	for _, keeps := range []bool{false, true} {
		m := &onMac{&inventory{keeps: map[string]bool{}}}
		var diags diag.Diagnostics
		for _, c := range [][2]string{{"mini-01", "refused"}, {"mini-02", "refused"}, {"mini-03", "no route"}, {"mini-04", "refused"}} {
			m.inventory.keeps[c[0]] = keeps
			err := &remote.DialError{Host: c[0], Jump: "gate", Addr: "gate:22", Stage: remote.StageTCP, Err: errors.New(c[1])}
			m.unread(t.Context(), &diags, "Unable to Read", err, state)
		}
		var full, behind []string
		for _, d := range diags {
			name := regexp.MustCompile(`mini-\d+`).FindString(d.Summary())
			switch {
			case strings.Contains(d.Detail(), "It failed at:"):
				full = append(full, name)
			case strings.Contains(d.Detail(), "behind the jump host gate, as mini-01 is"):
				behind = append(behind, name)
			}
		}
		if !slices.Equal(full, []string{"mini-01", "mini-03"}) || !slices.Equal(behind, []string{"mini-02", "mini-04"}) {
			t.Errorf("keeps %v: in full %q, behind %q", keeps, full, behind)
		}
	}
}

// onBoth is what two Macs have: three anchors each, pf, and a job. The rules are those of the anchors of the one and of the other.
func onBoth(here, there string) string {
	return fmt.Sprintf(`
resource "macos_pf_anchor" "here" {
  count = 3
  host  = "here"
  name  = "tfacc.away${count.index}"
  rules = %q
}
resource "macos_pf_anchor" "there" {
  count = 3
  host  = "there"
  name  = "tfacc.away${count.index}"
  rules = %q
}
resource "macos_pf" "both" {
  count      = 2
  host       = ["here", "there"][count.index]
  depends_on = [macos_pf_anchor.here, macos_pf_anchor.there]
}
resource "macos_launchdaemon" "both" {
  count             = 2
  host              = ["here", "there"][count.index]
  label             = "tfacc.away"
  program_arguments = ["/bin/sleep", "60"]
}
`, here, there)
}

// A Mac that is away ends a plan with one error, however many resources it has; with on_unreachable = "keep" the other Macs are planned and
// applied, and what would change on it is an error of its own.
func TestAway(t *testing.T) {
	t.Parallel()
	here, there := simulated(t), simulated(t)
	before := here.state() + there.state()
	sims := map[string]*macsim.Mac{"here": here.Mac, "there": there.Mac}
	all := fleetBlock(sims, `  on_unreachable = "keep"`)
	// A Mac that is away is dialled until the time is over; the other may take longer.
	keep := strings.Replace(all, "there = {", `there = { connect_timeout = "3s",`, 1)
	fail := strings.Replace(keep, `on_unreachable = "keep"`, "", 1)
	away := func(yes bool) func() {
		return func() {
			there.RefuseConnections(yes)
			there.CutConnections()
		}
	}
	const one, two, three = "pass in all\n", "pass out all\n", "pass in proto tcp all\n"
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		Steps: []resource.TestStep{
			{Config: all + onBoth(one, one)},
			{PreConfig: away(true), Config: fail + onBoth(one, one), ExpectError: wrapped(`(?s)Unable to Reach there.*refused.*on_unreachable`)},
			// A check block is not what the run fails by.
			{
				Config: fail + onBoth(one, one) + `
check "there" {
  data "macos_pf_status" "there" { host = "there" }
  assert {
    condition     = data.macos_pf_status.there.enabled
    error_message = "pf is not enabled"
  }
}
`, ExpectError: wrapped(`Unable to Reach there`),
			},
			{Config: keep + onBoth(one, one), PlanOnly: true},
			{Config: keep + onBoth(two, one)},
			{
				PreConfig: func() {
					if got, _, _ := here.Run(t.Context(), "/sbin/pfctl -a tfacc.away0 -sr"); !strings.Contains(got, "pass out all") {
						t.Errorf("the other Mac was not changed: %q", got)
					}
				},
				Config: keep + onBoth(three, two), ExpectError: wrapped(`(?s)Unable to Plan pf Anchor.*there cannot be reached`),
			},
			{
				PreConfig: func() {
					if got, _, _ := here.Run(t.Context(), "/sbin/pfctl -a tfacc.away0 -sr"); !strings.Contains(got, "pass in proto tcp all") {
						t.Errorf("the other Mac was not changed: %q", got)
					}
				},
				Config: keep + onBoth(three, one), PlanOnly: true,
			},
			{
				Config: keep + onBoth(three, one), ResourceName: "macos_pf_anchor.there[0]", ImportState: true, ImportStateId: "there/tfacc.away0",
				ExpectError: wrapped(`Unable to Reach there`),
			},
			{PreConfig: away(false), Config: all + onBoth(three, two)},
			{Config: all + onBoth(three, two), PlanOnly: true},
		},
	})
	if after := here.state() + there.state(); after != before {
		t.Errorf("the Macs are not as before:\n%s", diff(before, after))
	}
}

package provider

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/launchctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

// core is what a CLI does with one resource, without the CLI.
type core struct {
	t       *testing.T
	server  tfprotov6.ProviderServer
	name    string
	schema  *tfprotov6.Schema
	of      tftypes.Object
	state   tftypes.Value
	private []byte
}

// newCore is a CLI for one resource on a Mac. It is good for one plan and its apply: a provider remembers for a while what it has read.
func newCore(t *testing.T, name string, mac *testMac) *core {
	t.Helper()
	server := providerserver.NewProtocol6(New("test")())()
	schemas, err := server.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	c := &core{t: t, server: server, name: name, schema: schemas.ResourceSchemas[name]}
	c.of = c.schema.ValueType().(tftypes.Object)
	c.state = tftypes.NewValue(c.of, nil)
	block := schemas.Provider.ValueType().(tftypes.Object)
	hosts := block.AttributeTypes["hosts"].(tftypes.Map)
	address, port, _ := strings.Cut(mac.Addr(), ":")
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	text := func(s string) tftypes.Value { return tftypes.NewValue(tftypes.String, s) }
	_, err = server.ConfigureProvider(t.Context(), &tfprotov6.ConfigureProviderRequest{Config: c.packed(with(block, map[string]tftypes.Value{
		"hosts": tftypes.NewValue(hosts, map[string]tftypes.Value{"mini": with(hosts.ElementType.(tftypes.Object), map[string]tftypes.Value{
			"address": text(address), "port": tftypes.NewValue(tftypes.Number, number), "user": text("admin"), "private_key": text(mac.ClientKey()),
			"host_key": text(string(ssh.MarshalAuthorizedKey(mac.HostKey()))),
		})}),
	}))})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// with is an object with these attributes, and null for all others.
func with(of tftypes.Object, attributes map[string]tftypes.Value) tftypes.Value {
	values := map[string]tftypes.Value{}
	for name, t := range of.AttributeTypes {
		values[name] = tftypes.NewValue(t, nil)
	}
	maps.Copy(values, attributes)
	return tftypes.NewValue(of, values)
}

func (c *core) packed(v tftypes.Value) *tfprotov6.DynamicValue {
	c.t.Helper()
	d, err := tfprotov6.NewDynamicValue(v.Type(), v)
	if err != nil {
		c.t.Fatal(err)
	}
	return &d
}

func (c *core) unpacked(d *tfprotov6.DynamicValue) tftypes.Value {
	c.t.Helper()
	v, err := d.Unmarshal(c.of)
	if err != nil {
		c.t.Fatal(err)
	}
	return v
}

func (c *core) fine(err error, diags []*tfprotov6.Diagnostic) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
	for _, d := range diags {
		if d.Severity == tfprotov6.DiagnosticSeverityError {
			c.t.Fatalf("%s: %s", d.Summary, d.Detail)
		}
	}
}

// attributes are those of an object; none of a null one.
func attributes(v tftypes.Value) map[string]tftypes.Value {
	values := map[string]tftypes.Value{}
	if !v.IsNull() {
		_ = v.As(&values)
	}
	return maps.Clone(values) // As gives away the value's own
}

// refresh reads the resource.
func (c *core) refresh() {
	c.t.Helper()
	resp, err := c.server.ReadResource(c.t.Context(), &tfprotov6.ReadResourceRequest{TypeName: c.name, CurrentState: c.packed(c.state), Private: c.private})
	c.fine(err, resp.Diagnostics)
	c.state, c.private = c.unpacked(resp.NewState), resp.Private
}

// plan is what is planned for a configuration.
func (c *core) plan(config tftypes.Value) (tftypes.Value, []byte) {
	c.t.Helper()
	valid, err := c.server.ValidateResourceConfig(c.t.Context(), &tfprotov6.ValidateResourceConfigRequest{
		TypeName: c.name, Config: c.packed(config),
		ClientCapabilities: &tfprotov6.ValidateResourceConfigClientCapabilities{WriteOnlyAttributesAllowed: true},
	})
	c.fine(err, valid.Diagnostics)
	proposed, before := attributes(config), attributes(c.state)
	for _, a := range c.schema.Block.Attributes {
		switch {
		case a.WriteOnly:
			proposed[a.Name] = tftypes.NewValue(a.ValueType(), nil)
		case a.Computed && proposed[a.Name].IsNull() && len(before) > 0:
			proposed[a.Name] = before[a.Name]
		}
	}
	resp, err := c.server.PlanResourceChange(c.t.Context(), &tfprotov6.PlanResourceChangeRequest{
		TypeName: c.name, PriorState: c.packed(c.state), ProposedNewState: c.packed(tftypes.NewValue(c.of, proposed)), Config: c.packed(config), PriorPrivate: c.private,
	})
	c.fine(err, resp.Diagnostics)
	return c.unpacked(resp.PlannedState), resp.PlannedPrivate
}

// apply carries a plan out, and refuses a state that is not as planned, as a CLI would.
func (c *core) apply(config, planned tftypes.Value, private []byte) {
	c.t.Helper()
	resp, err := c.server.ApplyResourceChange(c.t.Context(), &tfprotov6.ApplyResourceChangeRequest{
		TypeName: c.name, PriorState: c.packed(c.state), PlannedState: c.packed(planned), Config: c.packed(config), PlannedPrivate: private,
	})
	c.fine(err, resp.Diagnostics)
	state := c.unpacked(resp.NewState)
	after := attributes(state)
	for name, want := range attributes(planned) {
		if want.IsFullyKnown() && !want.Equal(after[name]) {
			c.t.Fatalf("%s is %s, and was planned as %s", name, after[name], want)
		}
	}
	c.state, c.private = state, resp.Private
}

// meddling is what can be done to a job by hand, each by itself.
var meddling = []string{
	"/bin/launchctl bootout system/tfacc.random || :",
	"/bin/launchctl disable system/tfacc.random",
	"/bin/launchctl enable system/tfacc.random",
	`/bin/launchctl bootstrap system "$f" || :`,
	`rm -f "$f"`,
	`[ ! -f "$f" ] || echo rubbish >"$f"`,
	`[ ! -f "$f" ] || chmod 0666 "$f"`,
	`[ ! -f "$f" ] || chown admin "$f"`,
	`[ ! -f "$f" ] || { sed 's|<key>Label</key>|<key>Nice</key><integer>7</integer><key>Label</key>|' "$f" >/private/tmp/x && cat /private/tmp/x >"$f"; }`,
	`[ ! -f "$f" ] || { sed 's|<key>Label</key>|<key>Mystery</key><true/><key>Label</key>|' "$f" >/private/tmp/x && cat /private/tmp/x >"$f"; }`,
	`[ ! -f "$f" ] || { sed 's|600|601|; s|TOKEN|TAKEN|' "$f" >/private/tmp/x && cat /private/tmp/x >"$f"; }`,
	`printf '<plist version="1.0"><dict><key>Label</key><string>tfacc.random</string><key>Program</key><string>/bin/cat</string></dict></plist>' >/private/tmp/x.plist
/bin/launchctl bootout system/tfacc.random || :
/bin/launchctl bootstrap system /private/tmp/x.plist || :`,
}

// From whatever state, whatever was done by hand and whatever is wanted next, one apply leaves what was planned, and then there is nothing to
// do. A secret is in no state.
func TestLaunchdaemon_random(t *testing.T) {
	t.Parallel()
	rounds := 40
	if testing.Short() {
		rounds = 10
	}
	mac := simulated(t)
	r := rand.New(rand.NewPCG(3, 4))
	c := &core{}
	var log []string
	defer func() {
		if t.Failed() {
			t.Logf("after:\n%s", strings.Join(log[max(0, len(log)-4):], "\n"))
		}
	}()
	for round := range rounds {
		before := c
		c = newCore(t, "macos_launchdaemon", mac)
		if round > 0 {
			c.state, c.private = before.state, before.private
		}
		config, says := randomConfig(t, r, c.of, round)
		log = append(log, says)
		for range r.IntN(3) {
			script := meddling[r.IntN(len(meddling))]
			log = append(log, script)
			mac.sh("f=/Library/LaunchDaemons/tfacc.random.plist\n" + script)
		}
		if !c.state.IsNull() {
			c.refresh()
		}
		if c.state.IsNull() {
			mac.sh("/bin/launchctl bootout system/tfacc.random || :\nrm -f /Library/LaunchDaemons/tfacc.random.plist")
		}
		planned, private := c.plan(config)
		if planned.Equal(c.state) {
			continue
		}
		c.apply(config, planned, private)
		state := c.state
		c.refresh()
		if !c.state.Equal(state) {
			t.Fatalf("round %d: what is read is not what was applied:\n%s\n%s", round, c.state, state)
		}
		if planned, _ = c.plan(config); !planned.Equal(c.state) {
			t.Fatalf("round %d: there is something left to do:\n%s\n%s", round, c.state, planned)
		}
		if strings.Contains(c.state.String()+string(c.private), "hush") {
			t.Fatalf("round %d: a secret is in the state: %s", round, c.state)
		}
	}
}

// randomConfig is a job with some of the keys.
func randomConfig(t *testing.T, r *rand.Rand, of tftypes.Object, round int) (tftypes.Value, string) {
	t.Helper()
	file := dict("ProgramArguments", plist.Array{"/bin/sh", "-c", "exec sleep 600"})
	for _, name := range slices.Sorted(maps.Keys(keySamples)) {
		if r.IntN(12) == 0 && name != "program" && name != "program_arguments" && file.Get(appleOf(name)) == nil {
			file = append(file, plist.Entry{Key: appleOf(name), Value: keySamples[name].file})
		}
	}
	values, ok := decodeKeys(launchdKeys, launchctl.Meaning(file))
	if !ok {
		t.Fatal(file)
	}
	set := map[string]tftypes.Value{"label": tftypes.NewValue(tftypes.String, "tfacc.random"), "host": tftypes.NewValue(tftypes.String, "mini")}
	add := func(name string, v attr.Value) {
		value, err := v.ToTerraformValue(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		set[name] = value
	}
	for name, v := range values {
		add(name, v)
	}
	strings := func(v map[string]string) tftypes.Value {
		values := map[string]tftypes.Value{}
		for k, e := range v {
			values[k] = tftypes.NewValue(tftypes.String, e)
		}
		return tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, values)
	}
	says := plist.Short(file) + fmt.Sprint(file)
	switch r.IntN(4) {
	case 0:
		set["enabled"] = tftypes.NewValue(tftypes.Bool, false)
		says += " disabled"
	case 1:
		set["enabled"] = tftypes.NewValue(tftypes.Bool, true)
	}
	if r.IntN(2) == 0 {
		set["restart_triggers"] = strings(map[string]string{"a": fmt.Sprint(r.IntN(3))})
	}
	if r.IntN(2) == 0 {
		secrets := map[string]string{"TOKEN": fmt.Sprintf("hush-%d", round)}
		if r.IntN(2) == 0 {
			secrets["KEY"] = "hush"
		}
		set["environment_variables_wo"] = strings(secrets)
		set["environment_variables_wo_version"] = tftypes.NewValue(tftypes.Number, round)
		says += fmt.Sprint(secrets)
	}
	return with(of, set), says
}

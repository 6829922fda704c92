package provider

import (
	"maps"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"golang.org/x/crypto/ssh"
)

// A plan that is answered without the framework is the one that the framework makes; and all are that can be.
func TestSettled(t *testing.T) {
	t.Parallel()
	wire, resources := configured(t, map[string]tftypes.Value{
		"address": wireText("127.0.0.1"), "port": tftypes.NewValue(tftypes.Number, 1), "ssh_config_file": wireText("none"), "connect_timeout": wireText("500ms"),
	})
	s := wire.(server)
	schemas, err := s.GetResourceIdentitySchemas(t.Context(), &tfprotov6.GetResourceIdentitySchemasRequest{})
	if err != nil {
		t.Fatal(err)
	}
	identities := map[string]tftypes.Type{}
	for name, schema := range schemas.IdentitySchemas {
		identities[name] = schema.ValueType()
	}
	texts := tftypes.List{ElementType: tftypes.String}
	list := func(all ...string) tftypes.Value {
		values := []tftypes.Value{}
		for _, text := range all {
			values = append(values, wireText(text))
		}
		return tftypes.NewValue(texts, values)
	}
	yes, no, null := tftypes.NewValue(tftypes.Bool, true), tftypes.NewValue(tftypes.Bool, false), tftypes.NewValue(tftypes.Bool, nil)
	secret := tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, map[string]tftypes.Value{"TOKEN": wireText("t")})
	type given = map[string]tftypes.Value
	for name, c := range map[string]struct {
		config, state, proposed given // what differs from a job as it is
		private                 string
		settled                 bool
	}{
		"nothing":                {settled: true},
		"the host said":          {config: given{"host": wireText("mini")}, settled: true},
		"stopped, as configured": {config: given{"enabled": no}, state: given{"enabled": no}, settled: true},
		"disabled by somebody":   {state: given{"enabled": no}},
		"enabled by somebody":    {config: given{"enabled": no}, state: given{"enabled": yes}, proposed: given{"enabled": no}},
		"imported":               {state: given{"enabled": null}},
		"drift":                  {state: given{"drift": list("the job is not loaded")}},
		"a change":               {config: given{"program_arguments": list("/bin/sleep", "6")}, proposed: given{"program_arguments": list("/bin/sleep", "6")}},
		"another host":           {state: given{"host": wireText("other")}},
		"another host, said":     {config: given{"host": wireText("mini")}, state: given{"host": wireText("other")}, proposed: given{"host": wireText("mini")}},
		"an unknown Mac":         {config: given{"host": wireText("other")}, state: given{"host": wireText("other")}},
		"secrets":                {config: given{secretsName: secret}},
		"secrets before":         {private: `{"` + secretsKey + `":"WyJUT0tFTiJd"}`},
	} {
		for _, kind := range []string{"macos_launchdaemon", "macos_launchagent"} {
			of := resources[kind]
			config := given{"label": wireText("com.acme.tfacc"), "program_arguments": list("/bin/sleep", "5")}
			state := maps.Clone(config)
			maps.Copy(state, given{"host": wireText("mini"), "file": wireText("/Library/x.plist"), "enabled": yes, "drift": list()})
			if kind == "macos_launchagent" {
				state["loaded_for"] = list("jo")
			}
			maps.Copy(config, c.config)
			maps.Copy(state, c.state)
			proposed := maps.Clone(state)
			maps.Copy(proposed, c.proposed)
			req := &tfprotov6.PlanResourceChangeRequest{
				TypeName: kind, Config: dynamic(t, wireObject(t, of, config)), PriorState: dynamic(t, wireObject(t, of, state)),
				ProposedNewState: dynamic(t, wireObject(t, of, proposed)), PriorPrivate: []byte(c.private),
				PriorIdentity: &tfprotov6.ResourceIdentityData{IdentityData: dynamic(t, wireObject(t, identities[kind], given{
					"host": wireText("mini"), "label": config["label"],
				}))},
			}
			if c.private == "" {
				req.PriorPrivate = nil
			}
			if got := s.provider.settled(t.Context(), req); got != c.settled {
				t.Errorf("%s, %s: settled is %v", name, kind, got)
			}
			framework, err := s.ProviderServer.PlanResourceChange(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			ours, err := s.PlanResourceChange(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			planned := read(t, framework.PlannedState, of)
			if !planned.Equal(read(t, ours.PlannedState, of)) {
				t.Errorf("%s, %s: the framework plans\n%s\nand we\n%s", name, kind, planned, read(t, ours.PlannedState, of))
			}
			same := planned.Equal(read(t, req.PriorState, of)) && len(framework.Diagnostics)+len(framework.PlannedPrivate) == 0
			if same != c.settled {
				t.Errorf("%s, %s: the framework plans no change: %v", name, kind, same)
			}
			framework.PlannedState, ours.PlannedState = nil, nil
			if c.settled && !reflect.DeepEqual(framework, ours) {
				t.Errorf("%s, %s: the framework answers\n%+v\nand we\n%+v", name, kind, framework, ours)
			}
		}
	}
}

// What is read without the framework is what the framework reads.
func TestAsRead(t *testing.T) {
	t.Parallel()
	mac := simulated(t)
	address, text, _ := strings.Cut(mac.Addr(), ":")
	port, _, err := new(big.Float).Parse(text, 10)
	if err != nil {
		t.Fatal(err)
	}
	const plist = `<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict><key>Label</key><string>tfacc.read</string><key>ProgramArguments</key><array><string>/bin/sleep</string>` +
		`<string>600</string></array></dict></plist>
`
	const file = "/Library/LaunchDaemons/tfacc.read.plist"
	mac.sh(`printf %s "$1" >`+file+` && /bin/launchctl bootstrap system `+file, plist)
	texts := tftypes.List{ElementType: tftypes.String}
	command := func(all ...string) tftypes.Value {
		values := []tftypes.Value{}
		for _, text := range all {
			values = append(values, wireText(text))
		}
		return tftypes.NewValue(texts, values)
	}
	for _, c := range []struct {
		name, script string
		state        map[string]tftypes.Value // what differs from the job as it was loaded
		same         bool
	}{
		{name: "as it is", same: true},
		{name: "another command", state: map[string]tftypes.Value{"program_arguments": command("/bin/sleep", "5")}},
		{name: "another Mac", state: map[string]tftypes.Value{"host": wireText("other")}},
		{name: "another job", state: map[string]tftypes.Value{"label": wireText("tfacc.none")}},
		{name: "not loaded", script: "/bin/launchctl bootout system/tfacc.read"},
		{name: "gone", script: "/bin/rm " + file},
	} {
		if c.script != "" {
			mac.sh(c.script)
		}
		// A Mac is read once in a plan.
		wire, resources := configured(t, map[string]tftypes.Value{
			"address": wireText(address), "port": tftypes.NewValue(tftypes.Number, port), "user": wireText("admin"), "ssh_config_file": wireText("none"),
			"host_key":    wireText(strings.TrimSpace(string(ssh.MarshalAuthorizedKey(mac.HostKey())))),
			"private_key": wireText(mac.ClientKey()),
		})
		of := resources["macos_launchdaemon"]
		state := map[string]tftypes.Value{
			"host": wireText("mini"), "label": wireText("tfacc.read"), "program_arguments": command("/bin/sleep", "600"), "file": wireText(file),
			"enabled": tftypes.NewValue(tftypes.Bool, true), "drift": command(),
		}
		maps.Copy(state, c.state)
		s := wire.(server)
		req := &tfprotov6.ReadResourceRequest{TypeName: "macos_launchdaemon", CurrentState: dynamic(t, wireObject(t, of, state))}
		if _, same := s.provider.asRead(t.Context(), req); same != c.same {
			t.Errorf("%s: as read is %v", c.name, same)
		}
		framework, err := s.ProviderServer.ReadResource(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		ours, err := s.ReadResource(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		found := read(t, framework.NewState, of)
		if !found.Equal(read(t, ours.NewState, of)) {
			t.Errorf("%s: the framework reads\n%s\nand we\n%s", c.name, found, read(t, ours.NewState, of))
		}
		if same := found.Equal(read(t, req.CurrentState, of)) && len(framework.Diagnostics) == 0; same != c.same {
			t.Errorf("%s: the framework reads no change: %v: %s", c.name, same, found)
		}
		framework.NewState, ours.NewState = nil, nil
		if c.same && !reflect.DeepEqual(framework, ours) {
			t.Errorf("%s: the framework answers\n%+v\nand we\n%+v", c.name, framework, ours)
		}
	}
}

func read(t *testing.T, d *tfprotov6.DynamicValue, of tftypes.Type) tftypes.Value {
	t.Helper()
	v, err := d.Unmarshal(of)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

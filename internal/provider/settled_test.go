package provider

import (
	"maps"
	"reflect"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
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
			if got := s.provider.settled(req); got != c.settled {
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

func read(t *testing.T, d *tfprotov6.DynamicValue, of tftypes.Type) tftypes.Value {
	t.Helper()
	v, err := d.Unmarshal(of)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

package provider

import (
	"bytes"
	"math/big"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// wireObject is an object of this type, with null for what is not given.
func wireObject(t *testing.T, of tftypes.Type, given map[string]tftypes.Value) tftypes.Value {
	t.Helper()
	typ, ok := of.(tftypes.Object)
	if !ok {
		t.Fatalf("%s is no object", of)
	}
	values := map[string]tftypes.Value{}
	for name, of := range typ.AttributeTypes {
		values[name] = tftypes.NewValue(of, nil)
	}
	for name, value := range given {
		values[name] = value
	}
	return tftypes.NewValue(typ, values)
}

func dynamic(t *testing.T, v tftypes.Value) *tfprotov6.DynamicValue {
	t.Helper()
	d, err := tfprotov6.NewDynamicValue(v.Type(), v)
	if err != nil {
		t.Fatal(err)
	}
	return &d
}

// configured is the provider's server, with a Mac called mini of which this is given.
func configured(t *testing.T, given map[string]tftypes.Value) (tfprotov6.ProviderServer, map[string]tftypes.Type) {
	t.Helper()
	server, err := factories["macos"]()
	if err != nil {
		t.Fatal(err)
	}
	schemas, err := server.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	provider := schemas.Provider.ValueType()
	hosts, ok := provider.(tftypes.Object).AttributeTypes["hosts"].(tftypes.Map)
	if !ok {
		t.Fatal("hosts is no map")
	}
	config := wireObject(t, provider, map[string]tftypes.Value{"hosts": tftypes.NewValue(hosts, map[string]tftypes.Value{
		"mini": wireObject(t, hosts.ElementType, given),
	})})
	answer, err := server.ConfigureProvider(t.Context(), &tfprotov6.ConfigureProviderRequest{Config: dynamic(t, config)})
	if err != nil || len(answer.Diagnostics) > 0 {
		t.Fatal(err, answer.Diagnostics)
	}
	resources := map[string]tftypes.Type{}
	for name, schema := range schemas.ResourceSchemas {
		resources[name] = schema.ValueType()
	}
	for name, schema := range schemas.DataSourceSchemas {
		resources["data."+name] = schema.ValueType()
	}
	return server, resources
}

func wireText(s string) tftypes.Value { return tftypes.NewValue(tftypes.String, s) }

func wireTexts(all ...string) tftypes.Value {
	values := []tftypes.Value{}
	for _, s := range all {
		values = append(values, wireText(s))
	}
	return tftypes.NewValue(tftypes.List{ElementType: tftypes.String}, values)
}

// Resources of every kind stay as they are when their Mac is away and that is to be so, and all together say it once.
func TestAway_everyResource(t *testing.T) {
	t.Parallel()
	port, _, err := new(big.Float).Parse(closedPort(t), 10)
	if err != nil {
		t.Fatal(err)
	}
	server, resources := configured(t, map[string]tftypes.Value{
		"address": wireText("127.0.0.1"), "port": tftypes.NewValue(tftypes.Number, port), "ssh_config_file": wireText("none"), "user": wireText("admin"),
		"connect_timeout": wireText("500ms"), "on_unreachable": wireText("keep"),
	})
	said := 0
	for name, of := range resources {
		if strings.HasPrefix(name, "data.") {
			continue
		}
		given := map[string]tftypes.Value{"host": wireText("mini"), "drift": tftypes.NewValue(tftypes.List{ElementType: tftypes.String}, []tftypes.Value{})}
		for _, what := range []string{"name", "anchor", "label"} {
			if _, has := of.(tftypes.Object).AttributeTypes[what]; has {
				given[what] = wireText("tfacc.away")
			}
		}
		state := dynamic(t, wireObject(t, of, given))
		read, err := server.ReadResource(t.Context(), &tfprotov6.ReadResourceRequest{TypeName: name, CurrentState: state})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(read.NewState.MsgPack, state.MsgPack) {
			t.Errorf("%s is not as it was", name)
		}
		for _, d := range read.Diagnostics {
			if said++; d.Severity != tfprotov6.DiagnosticSeverityWarning || said > 1 {
				t.Errorf("%s: %s: %s\n%s", name, d.Severity, d.Summary, d.Detail)
			}
		}
	}
	if said != 1 {
		t.Errorf("it was said %d times", said)
	}
}

// A resource whose Mac is made by the same apply is deferred where the CLI takes that; otherwise what is not known stays unknown. A data source
// has to be told of no Mac that it cannot read.
func TestDeferral(t *testing.T) {
	t.Parallel()
	server, resources := configured(t, map[string]tftypes.Value{"address": tftypes.NewValue(tftypes.String, tftypes.UnknownValue)})
	anchor := resources["macos_pf_anchor"]
	given := map[string]tftypes.Value{"host": wireText("mini"), "name": wireText("tfacc.later"), "rules": wireText("pass in all\n")}
	desired := dynamic(t, wireObject(t, anchor, given))
	for _, allowed := range []bool{true, false} {
		plan, err := server.PlanResourceChange(t.Context(), &tfprotov6.PlanResourceChangeRequest{
			TypeName: "macos_pf_anchor", Config: desired, ProposedNewState: desired, PriorState: dynamic(t, tftypes.NewValue(anchor, nil)),
			ClientCapabilities: &tfprotov6.PlanResourceChangeClientCapabilities{DeferralAllowed: allowed},
		})
		if err != nil || len(plan.Diagnostics) > 0 || (plan.Deferred != nil) != allowed {
			t.Errorf("planned with deferral allowed %v: %v, %v, deferred %v", allowed, err, plan.Diagnostics, plan.Deferred)
		}
		read, err := server.ReadResource(t.Context(), &tfprotov6.ReadResourceRequest{
			TypeName: "macos_pf_anchor", CurrentState: desired,
			ClientCapabilities: &tfprotov6.ReadResourceClientCapabilities{DeferralAllowed: allowed},
		})
		if err != nil || len(read.Diagnostics) > 0 || (read.Deferred != nil) != allowed {
			t.Errorf("read with deferral allowed %v: %v, %v, deferred %v", allowed, err, read.Diagnostics, read.Deferred)
		}
		status := resources["data.macos_pf_status"]
		data, err := server.ReadDataSource(t.Context(), &tfprotov6.ReadDataSourceRequest{
			TypeName: "macos_pf_status", Config: dynamic(t, wireObject(t, status, map[string]tftypes.Value{"host": wireText("mini")})),
			ClientCapabilities: &tfprotov6.ReadDataSourceClientCapabilities{DeferralAllowed: allowed},
		})
		if err != nil || (len(data.Diagnostics) == 0) != allowed || (data.Deferred != nil) != allowed {
			t.Errorf("a data source with deferral allowed %v: %v, %v, deferred %v", allowed, err, data.Diagnostics, data.Deferred)
		}
	}
}

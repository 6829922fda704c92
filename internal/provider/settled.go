package provider

import (
	"bytes"
	"context"
	"maps"
	"sync"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/macos-fleet/terraform-provider-macos/internal/launchctl"
)

// settled reports whether a plan for a job is what the state says, because nothing else is asked for. The framework and ModifyPlan would
// come to the same, but on the way copy the schema of all attributes for each attribute, several times, which was half of the provider's
// time in a plan without changes. False says nothing: they are to be asked.
func (p *macosProvider) settled(req *tfprotov6.PlanResourceChangeRequest) bool {
	of, ok := jobTypes()[req.TypeName]
	if !ok || p.inventory == nil || len(req.PriorPrivate) > 0 || !bytes.Equal(req.PriorState.MsgPack, req.ProposedNewState.MsgPack) {
		return false
	}
	state, config := attributesIn(req.PriorState, of.object), attributesIn(req.Config, of.object)
	if state == nil || config == nil {
		return false // There is none before, or none after.
	}
	var host string
	var drift []tftypes.Value
	var enabled bool
	if !known(state["host"], &host) || !known(state["drift"], &drift) || !known(state["enabled"], &enabled) {
		return false
	}
	// The configuration leaves the host to the provider, and whether the job is enabled to the default.
	at := config["host"].IsNull() && p.inventory.fallback.ValueString() != host
	off := config["enabled"].IsNull() && !enabled
	return p.inventory.macs[host] != nil && !at && !off && len(drift) == 0 && config[secretsName].IsNull()
}

// asRead reports whether a job is on its Mac as the state says, and returns what identifies it then. Otherwise, and where there is
// something to say, the resource is to be read; as in [macosProvider.settled], that takes the framework most of a plan's time.
func (p *macosProvider) asRead(ctx context.Context, req *tfprotov6.ReadResourceRequest) (*tfprotov6.ResourceIdentityData, bool) {
	of, ok := jobTypes()[req.TypeName]
	if !ok || p.inventory == nil || len(req.Private) > 0 {
		return nil, false
	}
	raw, err := req.CurrentState.Unmarshal(of.object)
	if err != nil || raw.IsNull() || !raw.IsFullyKnown() {
		return nil, false
	}
	var diags diag.Diagnostics
	state := readJob(ctx, tfsdk.State{Raw: raw, Schema: of.schema}, &diags)
	mac := p.inventory.macs[state.text("host").ValueString()]
	if mac == nil || diags.HasError() {
		return nil, false
	}
	mac.Need()
	s, err := launchctl.Look(ctx, mac, of.place(state))
	if err != nil {
		return nil, false
	}
	j := s.Job(state.label())
	if j.Gone() {
		return nil, false
	}
	before := maps.Clone(state.attrs)
	if state.observe(j); !maps.EqualFunc(before, state.attrs, attr.Value.Equal) {
		return nil, false
	}
	identity := map[string]tftypes.Value{}
	for name := range of.identity.AttributeTypes {
		identity[name] = tftypes.NewValue(tftypes.String, nil)
		if text := state.text(name); !text.IsNull() {
			identity[name] = tftypes.NewValue(tftypes.String, text.ValueString())
		}
	}
	data, err := tfprotov6.NewDynamicValue(of.identity, tftypes.NewValue(of.identity, identity))
	return &tfprotov6.ResourceIdentityData{IdentityData: &data}, err == nil
}

// jobType is what the framework makes of a kind of job's schemas.
type jobType struct {
	*jobResource
	schema   schema.Schema
	object   tftypes.Type
	identity tftypes.Object // of texts
}

// jobTypes are those of all kinds, by the names of their resources.
var jobTypes = sync.OnceValue(func() map[string]jobType {
	ctx := context.Background()
	types := map[string]jobType{}
	for _, r := range []*jobResource{newLaunchdaemon(), newLaunchagent()} {
		var resp resource.SchemaResponse
		r.Schema(ctx, resource.SchemaRequest{}, &resp)
		var ids resource.IdentitySchemaResponse
		r.IdentitySchema(ctx, resource.IdentitySchemaRequest{}, &ids)
		identity := tftypes.Object{AttributeTypes: map[string]tftypes.Type{}}
		for name := range ids.IdentitySchema.Attributes {
			identity.AttributeTypes[name] = tftypes.String
		}
		types[r.kind.typeName] = jobType{r, resp.Schema, resp.Schema.Type().TerraformType(ctx), identity}
	}
	return types
})

// attributesIn are an object's attributes; nil if it is null or not as it should be.
func attributesIn(value *tfprotov6.DynamicValue, of tftypes.Type) map[string]tftypes.Value {
	object, err := value.Unmarshal(of)
	if err != nil {
		return nil
	}
	var attributes map[string]tftypes.Value
	if err := object.As(&attributes); err != nil {
		return nil
	}
	return attributes
}

// known takes a value over, and reports whether there is one.
func known(value tftypes.Value, to any) bool {
	return value.IsFullyKnown() && !value.IsNull() && value.As(to) == nil
}

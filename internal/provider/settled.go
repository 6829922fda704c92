package provider

import (
	"bytes"
	"context"
	"sync"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// settled reports whether a plan for a job is what the state says, because nothing else is asked for. The framework and ModifyPlan would
// come to the same, but on the way copy the schema of all attributes for each attribute, several times, which was half of the provider's
// time in a plan without changes. False says nothing: they are to be asked.
func (p *macosProvider) settled(req *tfprotov6.PlanResourceChangeRequest) bool {
	of, ok := jobTypes()[req.TypeName]
	if !ok || p.inventory == nil || len(req.PriorPrivate) > 0 || !bytes.Equal(req.PriorState.MsgPack, req.ProposedNewState.MsgPack) {
		return false
	}
	state, config := attributesIn(req.PriorState, of), attributesIn(req.Config, of)
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

// jobTypes are the types of resources that are jobs, by name.
var jobTypes = sync.OnceValue(func() map[string]tftypes.Type {
	types := map[string]tftypes.Type{}
	for _, r := range []*jobResource{newLaunchdaemon(), newLaunchagent()} {
		var resp resource.SchemaResponse
		r.Schema(context.Background(), resource.SchemaRequest{}, &resp)
		types[r.kind.typeName] = resp.Schema.Type().TerraformType(context.Background())
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

package provider

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/macos-fleet/terraform-provider-macos/internal/launchctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/pfctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

// This file answers, without the framework, for resources of which there is nothing to say: most of them, in most plans. The framework
// comes to the same, but copies the schema of all attributes for each attribute on the way, several times over. That was more than half of
// the provider's time in a plan without changes.

// A settler is a resource that can tell, of one that exists, that there is nothing to say. False says nothing: then it is to be
// read or planned.
type settler interface {
	resource.ResourceWithConfigure
	resource.ResourceWithIdentity
	// asRead reports whether Read would find what the state says, on this Mac.
	asRead(ctx context.Context, mac *remote.Host, state tfsdk.State) bool
	// settled reports whether ModifyPlan would leave a plan that is the state, and what it would warn of, at attributes of the resource. What
	// is configured is in that state, but for attributes of which this configuration says nothing, and for those that are write-only.
	settled(ctx context.Context, mac *remote.Host, state, config tfsdk.State) (warnings diag.Diagnostics, ok bool)
}

// settlers makes them.
var settlers = []func() settler{
	func() settler { return &pfAnchorResource{} },
	func() settler { return newLaunchdaemon() },
	func() settler { return newLaunchagent() },
}

// wireType is a settler, as it is known in the protocol.
type wireType struct {
	settler  func() settler
	schema   schema.Schema
	object   tftypes.Type
	identity tftypes.Object // of texts
}

// wireTypes are those of all settlers, by the names of the resources.
var wireTypes = sync.OnceValue(func() map[string]wireType {
	ctx := context.Background()
	all := map[string]wireType{}
	for _, made := range settlers {
		r := made()
		var name resource.MetadataResponse
		var is resource.SchemaResponse
		var ids resource.IdentitySchemaResponse
		r.Metadata(ctx, resource.MetadataRequest{}, &name)
		r.Schema(ctx, resource.SchemaRequest{}, &is)
		r.IdentitySchema(ctx, resource.IdentitySchemaRequest{}, &ids)
		identity := tftypes.Object{AttributeTypes: map[string]tftypes.Type{}}
		for name := range ids.IdentitySchema.Attributes {
			identity.AttributeTypes[name] = tftypes.String
		}
		all[name.TypeName] = wireType{made, is.Schema, is.Schema.Type().TerraformType(ctx), identity}
	}
	return all
})

// asRead reports whether a resource is on its Mac as the state says, and returns what identifies it.
func (p *macosProvider) asRead(ctx context.Context, req *tfprotov6.ReadResourceRequest) (*tfprotov6.ResourceIdentityData, bool) {
	of, r, ok := p.settler(ctx, req.TypeName, req.Private)
	if !ok {
		return nil, false
	}
	state, attributes := of.state(req.CurrentState)
	mac := p.macOf(attributes)
	if mac == nil {
		return nil, false
	}
	mac.Need()
	if !r.asRead(ctx, mac, state) {
		return nil, false
	}
	identity := map[string]tftypes.Value{}
	for name := range of.identity.AttributeTypes {
		identity[name] = attributes[name]
	}
	data, err := tfprotov6.NewDynamicValue(of.identity, tftypes.NewValue(of.identity, identity))
	return &tfprotov6.ResourceIdentityData{IdentityData: &data}, err == nil
}

// settled reports whether the plan for a resource is its state, because nothing else is asked for, and what it warns of.
func (p *macosProvider) settled(ctx context.Context, req *tfprotov6.PlanResourceChangeRequest) (warnings []*tfprotov6.Diagnostic, ok bool) {
	of, r, ok := p.settler(ctx, req.TypeName, req.PriorPrivate)
	if !ok || req.PriorState == nil || req.ProposedNewState == nil || !bytes.Equal(req.PriorState.MsgPack, req.ProposedNewState.MsgPack) {
		return nil, false
	}
	state, attributes := of.state(req.PriorState)
	config, configured := of.state(req.Config)
	mac := p.macOf(attributes)
	var drift []tftypes.Value
	if mac == nil || configured == nil || !told(attributes["drift"], &drift) || len(drift) > 0 {
		return nil, false
	}
	if configured["host"].IsNull() && p.inventory.fallback.ValueString() != mac.Name() {
		return nil, false
	}
	said, ok := r.settled(ctx, mac, state, config)
	for _, d := range said {
		warning := &tfprotov6.Diagnostic{Severity: tfprotov6.DiagnosticSeverityWarning, Summary: d.Summary(), Detail: d.Detail()}
		if at, ok := d.(diag.DiagnosticWithPath); ok {
			warning.Attribute = tftypes.NewAttributePath().WithAttributeName(at.Path().String())
		}
		warnings = append(warnings, warning)
	}
	return warnings, ok
}

// settler is the resource of this name. There is none for one that keeps something besides its state.
func (p *macosProvider) settler(ctx context.Context, name string, private []byte) (of wireType, r settler, ok bool) {
	of, ok = wireTypes()[name]
	if !ok || p.inventory == nil || len(private) > 0 {
		return of, nil, false
	}
	r = of.settler()
	r.Configure(ctx, resource.ConfigureRequest{ProviderData: p.inventory}, new(resource.ConfigureResponse))
	return of, r, true
}

// macOf is the Mac that a state names; nil when it is not known, or not yet how to reach it.
func (p *macosProvider) macOf(attributes map[string]tftypes.Value) *remote.Host {
	var host string
	if attributes == nil || !told(attributes["host"], &host) {
		return nil
	}
	return p.inventory.macs[host]
}

// state is a state or a configuration, and its attributes: nil if there is none.
func (of wireType) state(value *tfprotov6.DynamicValue) (tfsdk.State, map[string]tftypes.Value) {
	if value == nil || len(value.MsgPack) == 0 {
		return tfsdk.State{}, nil
	}
	object, err := value.Unmarshal(of.object)
	var attributes map[string]tftypes.Value
	if err == nil {
		err = object.As(&attributes)
	}
	if err != nil {
		return tfsdk.State{}, nil
	}
	return tfsdk.State{Raw: object, Schema: of.schema}, attributes
}

// told takes a value over, and reports whether there is one.
func told(value tftypes.Value, to any) bool {
	return value.IsFullyKnown() && !value.IsNull() && value.As(to) == nil
}

func (r *jobResource) asRead(ctx context.Context, mac *remote.Host, from tfsdk.State) bool {
	var diags diag.Diagnostics
	state := readJob(ctx, from, &diags)
	if diags.HasError() {
		return false
	}
	s, err := launchctl.Look(ctx, mac, r.place(state))
	if err != nil || s.Job(state.label()).Gone() {
		return false
	}
	before := maps.Clone(state.attrs)
	state.observe(s.Job(state.label()))
	return maps.EqualFunc(before, state.attrs, attr.Value.Equal)
}

// What a plan says of a job that exists does not depend on what is on the Mac.
func (r *jobResource) settled(_ context.Context, _ *remote.Host, state, config tfsdk.State) (diag.Diagnostics, bool) {
	var is, configured map[string]tftypes.Value
	if state.Raw.As(&is) != nil || config.Raw.As(&configured) != nil {
		return nil, false
	}
	var enabled bool // which is the default
	return nil, (told(is["enabled"], &enabled) && enabled || !configured["enabled"].IsNull()) && configured[secretsName].IsNull()
}

// anchorIn is what Get would make of a state, which compiles a regular expression for each field on the way.
func anchorIn(ctx context.Context, from tfsdk.State) (m pfAnchorModel, ok bool) {
	var object types.Object
	if from.Get(ctx, &object).HasError() {
		return m, false
	}
	is := object.Attributes()
	for name, to := range map[string]*types.String{"host": &m.Host, "name": &m.Name, "rules": &m.Rules, "file": &m.File} {
		*to, _ = is[name].(types.String)
	}
	for name, to := range map[string]*types.Bool{"allow_lockout": &m.AllowLockout, "pf_enabled": &m.PFEnabled} {
		*to, _ = is[name].(types.Bool)
	}
	for name, to := range map[string]*types.List{
		"must_pass": &m.MustPass, "must_block": &m.MustBlock, "loaded_rules": &m.LoadedRules, "drift": &m.Drift,
	} {
		*to, _ = is[name].(types.List)
	}
	return m, true
}

func (r *pfAnchorResource) asRead(ctx context.Context, mac *remote.Host, from tfsdk.State) bool {
	state, ok := anchorIn(ctx, from)
	if !ok {
		return false
	}
	s, err := pfctl.Look(ctx, mac)
	if err != nil || s.Gone(state.Name.ValueString()) {
		return false
	}
	found := state
	found.observe(s)
	return found.Rules.Equal(state.Rules) && found.File.Equal(state.File) && found.LoadedRules.Equal(state.LoadedRules) &&
		found.PFEnabled.Equal(state.PFEnabled) && found.Drift.Equal(state.Drift)
}

// A plan warns of what makes an anchor useless, and foresees what becomes of its demands when others change.
func (r *pfAnchorResource) settled(ctx context.Context, mac *remote.Host, from, _ tfsdk.State) (warnings diag.Diagnostics, ok bool) {
	state, ok := anchorIn(ctx, from)
	if !ok {
		return nil, false
	}
	mac.Need()
	s, err := pfctl.Look(ctx, mac)
	if err != nil || confTrouble(s, mac.Name()) != nil {
		return nil, false
	}
	name, rules := state.Name.ValueString(), state.Rules.ValueString()
	a := s.Anchor(name)
	if !a.Exists || a.Text != pfctl.Terminated(rules) || a.File != state.File.ValueString() {
		return nil, false
	}
	if s.Plan(name, a.Expected).Kernel || !slices.Equal(a.Loaded, stringsOf(state.LoadedRules)) {
		return nil, false
	}
	if refused(&warnings, mac.Name(), rules, a.Expected); len(warnings) > 0 {
		return nil, false
	}
	warn(&warnings, s, mac.Name(), name, a.Expected, false)
	return warnings, len(r.inventory.planned[mac.Name()].Judge(s, state.intent(a.Expected, false))) == 0
}

package provider

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	datasourceschema "github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

// onMac is embedded by every resource: which Macs there are, and the attribute `host` that says which one is meant.
type onMac struct{ inventory *inventory }

// Configure takes the inventory over from the provider. It is called without one before the provider is configured.
func (m *onMac) Configure(_ context.Context, req resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	if inv, ok := req.ProviderData.(*inventory); ok {
		m.inventory = inv
	}
}

// mac returns the Mac of this name, which is about to be asked something; nil, without an error, when it is not known yet how to reach it.
func (m *onMac) mac(host types.String, diags *diag.Diagnostics) *remote.Host {
	if host.IsUnknown() || m.inventory == nil {
		return nil
	}
	h, ok := m.inventory.macs[host.ValueString()]
	if !ok && !m.inventory.open {
		diags.AddAttributeError(path.Root("host"), fmt.Sprintf("Unknown Mac %q", host.ValueString()),
			"The provider block has no Mac of this name. "+m.inventory.list()+
				"\n\nA resource that was made under this name keeps it in its state. If the Mac was renamed in hosts, keep the old name there and "+
				"change its address.")
	}
	if h != nil {
		h.Need()
	}
	return h
}

// unread says why a resource could not be read, which its caller leaves as the state has it. That a Mac cannot be reached is said once for
// all of its resources: the others need no error, since the run fails by that one, or is to go on (on_unreachable).
func (m *onMac) unread(ctx context.Context, diags *diag.Diagnostics, summary string, err error, state tfsdk.State) {
	failure := unreached(err)
	if failure == nil {
		explain(diags, path.Root("host"), summary, err)
		return
	}
	m.inventory.away.Store(failure.Host, true)
	// What is being imported has no last known state; every other resource has a list of its drift.
	var drift types.List
	state.GetAttribute(ctx, path.Root("drift"), &drift)
	switch {
	case m.keeps(failure) && !drift.IsNull():
		m.warnAway(diags, failure)
	case saidBefore(failure, inReading):
	case saidBefore(failure, inError):
		diags.AddAttributeError(path.Root("host"), fmt.Sprintf("Unable to Reach %s", failure.Host), again(failure))
	default:
		detail := m.whyAway(failure) + "\n\nThis is said once for all resources of this Mac."
		if mayPass(failure) {
			detail += " With on_unreachable = \"keep\", plans for the other Macs go on without it."
		}
		diags.AddAttributeError(path.Root("host"), fmt.Sprintf("Unable to Reach %s", failure.Host), detail)
	}
}

// unplanned says why what is planned for a resource could not be checked. Open means that the plan promises nothing that only the Mac
// knows.
//
// Terraform plans each change once more in the apply, where nothing is read, and takes it for a bug if something is unknown then that was
// not before. So a Mac that was not found away by reading is an error there, unless that cannot happen.
func (m *onMac) unplanned(diags *diag.Diagnostics, summary string, err error, open bool) {
	failure := unreached(err)
	if failure != nil {
		if _, unread := m.inventory.away.Load(failure.Host); unread {
			return // it was said
		}
		if open && m.keeps(failure) {
			m.warnAway(diags, failure)
			return
		}
	}
	explain(diags, path.Root("host"), summary, err)
}

// mayPass reports whether the reason is with the Mac or the network, not in the configuration here.
func mayPass(failure *remote.DialError) bool {
	return failure.Stage != remote.StageConfig && failure.Stage != remote.StageKey
}

// keeps reports whether plans go on although a Mac cannot be reached.
func (m *onMac) keeps(failure *remote.DialError) bool {
	return m.inventory.keeps[failure.Host] && mayPass(failure)
}

// warnAway tells of a Mac whose resources stay as they are in the state.
func (m *onMac) warnAway(diags *diag.Diagnostics, failure *remote.DialError) {
	if saidBefore(failure, inWarning) {
		return
	}
	diags.AddAttributeWarning(path.Root("host"), fmt.Sprintf("%s Cannot Be Reached, and Its Resources Are Not Read", failure.Host),
		fmt.Sprintf("They are shown as they were last read, and what is planned for %s was not checked there. Applying a change there fails as long as it "+
			"is away; all other Macs are planned and applied (on_unreachable = \"keep\").\n\n%s", failure.Host, m.whyAway(failure)))
}

// whyAway says why a Mac cannot be reached. What is wrong with a jump host is said in full of the first Mac behind it only, for there
// may be hundreds.
func (m *onMac) whyAway(failure *remote.DialError) string {
	if failure.Jump == "" {
		return because(failure)
	}
	wrong := [...]string{failure.Jump, failure.Addr, string(failure.Stage), failure.Err.Error()}
	first, before := m.inventory.jumps.LoadOrStore(wrong, failure.Host)
	if !before || first == failure.Host {
		return because(failure)
	}
	return fmt.Sprintf("It is behind the jump host %s, as %s is, and cannot be reached for the same reason. What is said of %s holds for it, too.",
		failure.Jump, first, first)
}

// deferral is what is answered about a resource whose Mac is not known yet, where the CLI takes such an answer; otherwise nil, and what
// depends on the Mac stays unknown.
func (m *onMac) deferral(host types.String, allowed bool) *resource.Deferred {
	if !allowed || m.inventory == nil {
		return nil
	}
	h, named := m.inventory.macs[host.ValueString()]
	if host.IsUnknown() || h == nil && (named || m.inventory.open) {
		return &resource.Deferred{Reason: resource.DeferredReasonProviderConfigUnknown}
	}
	return nil
}

// sourceOnMac is embedded by every data source that is about one Mac: onMac, as data sources are configured.
type sourceOnMac struct{ onMac }

// Configure takes the inventory over from the provider.
func (m *sourceOnMac) Configure(_ context.Context, req datasource.ConfigureRequest, _ *datasource.ConfigureResponse) {
	if inv, ok := req.ProviderData.(*inventory); ok {
		m.inventory = inv
	}
}

// macOf returns the Mac to read, and names it in host where the configuration leaves that to the provider. Nil means that there is nothing
// more to answer: an error, or that the data source is deferred. It has nothing to say of a Mac that it cannot reach yet.
func (m *sourceOnMac) macOf(host *types.String, req datasource.ReadRequest, resp *datasource.ReadResponse) *remote.Host {
	at := path.Root("host")
	if host.IsNull() && m.inventory != nil {
		if *host = m.inventory.fallback; host.IsNull() {
			resp.Diagnostics.AddAttributeError(at, "Missing Name of a Mac",
				"There is more than one Mac, or none, so this data source must say which one it reads. "+m.inventory.list())
			return nil
		}
	}
	if m.deferral(*host, req.ClientCapabilities.DeferralAllowed) != nil {
		resp.Deferred = &datasource.Deferred{Reason: datasource.DeferredReasonProviderConfigUnknown}
		resp.State.Raw = req.Config.Raw.Copy()
		return nil
	}
	mac := m.mac(*host, &resp.Diagnostics)
	if mac == nil && !resp.Diagnostics.HasError() {
		resp.Diagnostics.AddAttributeError(at, "The Mac Is Not Known Yet",
			"How to reach it depends on something that is known only after an apply, and a data source is read before. Apply first what that is "+
				"(with -target), or let this data source depend on it (depends_on), so that it is read in the apply.")
	}
	return mac
}

// hostSourceAttribute is `host` in the schema of every data source that is about one Mac.
func hostSourceAttribute() datasourceschema.StringAttribute {
	return datasourceschema.StringAttribute{
		Optional:            true,
		Computed:            true,
		MarkdownDescription: "The Mac, by its name in the provider's `hosts`. Default: the provider's `host`, or its only Mac.",
	}
}

// planHost sets the planned `host` of a resource that leaves it to the provider, and asks for replacement when the Mac is
// another one than before. While the provider does not know its Mac yet, a resource that exists is taken to stay where it is: if
// that proves wrong, its apply is an error, or the next plan shows it.
func (m *onMac) planHost(ctx context.Context, config tfsdk.Config, state tfsdk.State, resp *resource.ModifyPlanResponse) {
	if m.inventory == nil {
		return
	}
	at := path.Root("host")
	var configured, before, planned types.String
	resp.Diagnostics.Append(config.GetAttribute(ctx, at, &configured)...)
	resp.Diagnostics.Append(resp.Plan.GetAttribute(ctx, at, &planned)...)
	if !state.Raw.IsNull() {
		resp.Diagnostics.Append(state.GetAttribute(ctx, at, &before)...)
	}
	if configured.IsNull() {
		proposed := planned
		if planned = m.inventory.fallback; planned.IsNull() {
			resp.Diagnostics.AddAttributeError(at, "Missing Name of a Mac",
				"There is more than one Mac, or none, so this resource must say which one it is on. "+m.inventory.list())
			return
		}
		if planned.IsUnknown() && !before.IsNull() {
			planned = before
		}
		// Setting one attribute has the framework go through all of them.
		if !planned.Equal(proposed) {
			resp.Diagnostics.Append(resp.Plan.SetAttribute(ctx, at, planned)...)
		}
	}
	if !before.IsNull() && !before.Equal(planned) {
		resp.RequiresReplace = append(resp.RequiresReplace, at)
	}
}

// hostAttribute is `host` in every resource's schema.
func hostAttribute() schema.StringAttribute {
	return schema.StringAttribute{
		Optional: true,
		Computed: true,
		MarkdownDescription: "The Mac, by its name in the provider's `hosts`. Default: the provider's `host`, or its only Mac. " +
			"Changing it replaces the resource.",
	}
}

// driftAttribute is `drift` in every resource's schema: known to be empty in every plan, so that whatever is found
// shows up there as lines that will go away.
func driftAttribute(kinds string) schema.ListAttribute {
	return schema.ListAttribute{
		Computed:    true,
		ElementType: types.StringType,
		MarkdownDescription: "How the Mac differs from what was applied, in sentences; empty after every apply. Here appear: " + kinds + ". " +
			"A plan shows each as a line that goes away.",
	}
}

var hostIdentity = identityschema.StringAttribute{RequiredForImport: true, Description: "The Mac, by its name in the provider's hosts."}

// identityOf is the identity of every resource: the Mac, and what the resource is called there.
func identityOf(name, description string) identityschema.Schema {
	return identityschema.Schema{Attributes: map[string]identityschema.Attribute{
		"host": hostIdentity,
		name:   identityschema.StringAttribute{RequiredForImport: true, Description: description},
	}}
}

// importOnMac takes an import ID HOST/NAME, split at the first slash, or an identity.
func importOnMac(ctx context.Context, name string, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	var host, what types.String
	if req.ID != "" {
		h, n, ok := strings.Cut(req.ID, "/")
		if !ok || h == "" || n == "" {
			resp.Diagnostics.AddError("Invalid Import ID", fmt.Sprintf("%q is not HOST/%s, such as mini-01/%s.",
				req.ID, strings.ToUpper(name), map[string]string{"name": "com.acme.ssh", "label": "com.acme.agent"}[name]))
			return
		}
		host, what = types.StringValue(h), types.StringValue(n)
	} else {
		resp.Diagnostics.Append(req.Identity.GetAttribute(ctx, path.Root("host"), &host)...)
		resp.Diagnostics.Append(req.Identity.GetAttribute(ctx, path.Root(name), &what)...)
	}
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("host"), host)...)
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root(name), what)...)
}

// setIdentity records a resource's identity, in which name is "" where there is one resource for each Mac; a CLI that knows none (Terraform before 1.12) gives nil.
func setIdentity(ctx context.Context, identity *tfsdk.ResourceIdentity, host types.String, name string, value types.String) diag.Diagnostics {
	if identity == nil {
		return nil
	}
	diags := identity.SetAttribute(ctx, path.Root("host"), host)
	if name != "" {
		diags.Append(identity.SetAttribute(ctx, path.Root(name), value)...)
	}
	return diags
}

// stringList is a list attribute's value; nil makes an empty list.
func stringList(lines []string) types.List {
	values := make([]attr.Value, len(lines))
	for i, line := range lines {
		values[i] = types.StringValue(line)
	}
	return types.ListValueMust(types.StringType, values)
}

// stringsOf is the reverse; a null or unknown list has none.
func stringsOf(list types.List) []string {
	var lines []string
	for _, v := range list.Elements() {
		if s, ok := v.(types.String); ok {
			lines = append(lines, s.ValueString())
		}
	}
	return lines
}

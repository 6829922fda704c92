package provider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/macos-fleet/terraform-provider-macos/internal/launchctl"
)

var (
	_ resource.ResourceWithConfigure      = (*jobResource)(nil)
	_ resource.ResourceWithIdentity       = (*jobResource)(nil)
	_ resource.ResourceWithImportState    = (*jobResource)(nil)
	_ resource.ResourceWithModifyPlan     = (*jobResource)(nil)
	_ resource.ResourceWithValidateConfig = (*jobResource)(nil)
)

// jobResource is a resource for one kind of launchd's jobs: a property list in a folder, and the job that launchd made of it.
type jobResource struct {
	onMac
	kind jobKind
}

// jobKind is what tells the resources for launchd's jobs apart.
type jobKind struct {
	typeName string // macos_launchdaemon
	about    string // the resource's description
	agents   bool   // its jobs are agents, of all users or of one
}

func (r *jobResource) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = r.kind.typeName
}

func (r *jobResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	attributes := map[string]schema.Attribute{
		"host": hostAttribute(),
		"label": schema.StringAttribute{
			Required:            true,
			Validators:          []validator.String{named{what: "Label", check: launchctl.CheckLabel}},
			PlanModifiers:       []planmodifier.String{stringplanmodifier.RequiresReplace()},
			MarkdownDescription: "Label of the job, in reverse-domain style, such as `com.acme.agent`. Its file has the same name. Changing it replaces the resource.",
		},
		"plist": schema.StringAttribute{
			Optional:   true,
			Validators: []validator.String{stringvalidator.LengthBetween(1, 1<<18)},
			MarkdownDescription: "The whole property list, instead of the attributes for single keys: as XML, or as an object by the function `plist_encode`. It is the file, byte " +
				"for byte; it is compared by meaning, so a file that was only formatted anew is no change. Keys that launchd does not know, and ignores without a word, are " +
				"warnings; values of a type that it does not take are errors. An import shows a file in the attributes for single keys where it can: " +
				"a configuration with `plist` then plans a change once, which writes the text and leaves a job with the same meaning running.",
		},
		"confirm": schema.BoolAttribute{
			Optional: true,
			MarkdownDescription: "Whether a change to the job must be confirmed over a new connection, within the provider's `confirm_timeout`, and is otherwise undone by the " +
				"Mac itself. Default: `true` for a job that is known to carry connections to the Mac, by a part of its label or by its program (such as `tailscaled`, " +
				"`wg-quick`, `zerotier-one`, `cloudflared`, `openvpn`, `sshd`), else `false`.",
		},
		"enabled": schema.BoolAttribute{
			Optional: true, Computed: true, Default: booldefault.StaticBool(true),
			MarkdownDescription: "Whether the job is loaded, and launchd may load it again at the next boot. `false` leaves its file, and has the job stopped and its " +
				"label disabled, as `launchctl disable` and the switch in System Settings > General > Login Items do. When somebody uses those, the plan " +
				"shows it here. Destroying the resource leaves this as it is. Default: `true`.",
		},
		"restart_triggers": schema.MapAttribute{
			Optional: true, ElementType: types.StringType,
			MarkdownDescription: "Any values, such as the hash of a file that the job reads when it starts. When they change, the job is stopped and started again, also if " +
				"nothing else of it has changed. Values where there were none before are only recorded.",
		},
		"file": schema.StringAttribute{Computed: true, MarkdownDescription: "Path of the property list on the Mac."},
		"drift": driftAttribute("a wrong owner or mode of the file, a job that is not loaded, loaded from another file, disabled, or running with another " +
			"definition than the file's"),
	}
	maps.Copy(attributes, attributesOf(launchdKeys))
	maps.Copy(attributes, secretAttributes())
	if r.kind.agents {
		maps.Copy(attributes, agentAttributes())
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: r.kind.about,
		Attributes:          attributes,
	}
}

func (r *jobResource) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = identityOf("label", "Label of the job.")
	if r.kind.agents {
		resp.IdentitySchema.Attributes["user"] = userIdentity
	}
}

// ValidateConfig checks what can be checked without a Mac: that there is a program, and that launchd would take what it is given.
func (r *jobResource) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	config := readJob(ctx, req.Config, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	validateSecrets(config, &resp.Diagnostics)
	if r.kind.agents {
		validateAgent(config, &resp.Diagnostics)
	}
	if !config.text("plist").IsNull() {
		validateWhole(config, &resp.Diagnostics)
		return
	}
	if config.attrs["program"].IsNull() && config.attrs["program_arguments"].IsNull() {
		resp.Diagnostics.AddAttributeError(path.Root("program_arguments"), "Missing Program",
			"A job needs program_arguments or program, or its whole property list as plist.")
	}
	validateKeys(config, &resp.Diagnostics)
}

// ModifyPlan asks the Mac whether the job is free to be created, and warns of a change that nothing would undo.
func (r *jobResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() {
		warnUnconfirmed(&resp.Diagnostics, readJob(ctx, req.State, &resp.Diagnostics))
		return
	}
	r.planHost(ctx, req.Config, req.State, resp)
	plan := readJob(ctx, resp.Plan, &resp.Diagnostics).hiding(ctx, req.Private, &resp.Diagnostics)
	plan = plan.withSecrets(ctx, req.Config, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	// An update that is cut short leaves secrets of before, of now, or of both.
	names := append(plan.names(), plan.hidden...)
	slices.Sort(names)
	keepNames(ctx, resp.Private, slices.Compact(names), &resp.Diagnostics)
	if !plan.known() {
		return
	}
	label, at := plan.label(), r.place(plan)
	plan.attrs["drift"] = stringList(nil)
	creates := req.State.Raw.IsNull()
	if !creates {
		state := readJob(ctx, req.State, &resp.Diagnostics)
		creates = !state.text("label").Equal(plan.text("label")) || !state.text("host").Equal(plan.text("host")) || r.place(state) != at
		if creates {
			warnUnconfirmed(&resp.Diagnostics, state)
		}
		plan.attrs["file"] = state.attrs["file"]
	}
	if creates {
		plan.attrs["file"] = types.StringUnknown()
		if file := at.FileOf(label); file != "" {
			plan.attrs["file"] = types.StringValue(file)
		}
	}
	resp.Diagnostics.Append(resp.Plan.Set(ctx, plan.object())...)
	if !resp.Plan.Raw.Equal(req.State.Raw) {
		warnUnconfirmed(&resp.Diagnostics, plan)
		if r.kind.agents {
			resp.Diagnostics.Append(resp.Plan.SetAttribute(ctx, path.Root("loaded_for"), types.ListUnknown(types.StringType))...)
		}
	}
	mac := r.mac(plan.text("host"), &resp.Diagnostics)
	want, _, err := plan.desired()
	resp.Deferred = r.deferral(plan.text("host"), req.ClientCapabilities.DeferralAllowed)
	if mac == nil || !creates || err != nil {
		return
	}
	s, err := launchctl.Look(ctx, mac, at)
	if err != nil {
		r.unplanned(&resp.Diagnostics, fmt.Sprintf("Unable to Plan launchd Job %q", label), err, true)
		return
	}
	switch j := s.Job(label); {
	case j.Foreign():
		resp.Diagnostics.AddAttributeError(path.Root("label"), fmt.Sprintf("launchd Job %q Belongs to an App", label),
			fmt.Sprintf("On %s, an app has registered it with macOS, which puts it back by itself. Change it in that app, or in "+
				"System Settings > General > Login Items.", mac.Name()))
	case !j.Gone() && !j.Adoptable(want) && !(r.kind.agents && mayMove(j)):
		resp.Diagnostics.AddAttributeError(path.Root("label"), fmt.Sprintf("launchd Job %q Exists", label),
			fmt.Sprintf("On %s there is such a job, and it is not what this configuration wants. It is not taken over silently.\n\n%s\n\n"+
				"To manage it from here, import it:\n\n    terraform import ADDRESS '%s/%s'", mac.Name(), foundJob(j), mac.Name(), r.name(plan)))
	}
}

// place is where a job's file is.
func (r *jobResource) place(m jobModel) launchctl.Place {
	return launchctl.Place{Agents: r.kind.agents, User: m.text("user").ValueString()}
}

// name is a job in an import ID.
func (r *jobResource) name(m jobModel) string {
	return strings.TrimPrefix(m.text("user").ValueString()+"/"+m.label(), "/")
}

// warnUnconfirmed warns of a change to a job, if it is known to carry connections and yet nothing is to undo it.
func warnUnconfirmed(diags *diag.Diagnostics, d jobModel) {
	if !d.carries() || d.confirms() {
		return
	}
	diags.AddAttributeWarning(path.Root("confirm"), fmt.Sprintf("Nothing Would Undo a Change to launchd Job %q", d.label()),
		"This job is known to carry connections to the Mac. With confirm = false it is stopped without a watchdog: if the Mac is reached through it, the "+
			"connection ends there, what was to load the job again may end with it, and the Mac cannot be reached until it is restarted, or until somebody goes there. "+
			"Without confirm = false, the Mac loads the old job again by itself unless a new connection comes through.")
}

func (r *jobResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	plan := readJob(ctx, req.Plan, &resp.Diagnostics).withSecrets(ctx, req.Config, &resp.Diagnostics)
	if !resp.Diagnostics.HasError() && r.apply(ctx, plan, launchctl.Intent{Confirm: plan.confirms()}, &resp.Diagnostics) {
		r.keep(ctx, plan, &resp.State, resp.Identity, &resp.Diagnostics)
		keepNames(ctx, resp.Private, plan.names(), &resp.Diagnostics)
	}
}

func (r *jobResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	state := readJob(ctx, req.State, &resp.Diagnostics).hiding(ctx, req.Private, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(r.identify(ctx, resp.Identity, state)...)
	mac := r.mac(state.text("host"), &resp.Diagnostics)
	if mac == nil {
		resp.Deferred = r.deferral(state.text("host"), req.ClientCapabilities.DeferralAllowed)
		return
	}
	s, err := launchctl.Look(ctx, mac, r.place(state))
	if errors.Is(err, launchctl.ErrNobody) {
		resp.State.RemoveResource(ctx)
		return
	}
	if err != nil {
		r.unread(ctx, &resp.Diagnostics, fmt.Sprintf("Unable to Read launchd Job %q", state.label()), err, req.State)
		return
	}
	j := s.Job(state.label())
	if j.Gone() {
		resp.State.RemoveResource(ctx)
		return
	}
	state.observe(j)
	resp.Diagnostics.Append(resp.State.Set(ctx, state.object())...)
}

func (r *jobResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	plan := readJob(ctx, req.Plan, &resp.Diagnostics).withSecrets(ctx, req.Config, &resp.Diagnostics)
	state := readJob(ctx, req.State, &resp.Diagnostics).hiding(ctx, req.Private, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	in := launchctl.Intent{Seen: state.seen(), Confirm: plan.confirms(state), Restart: plan.restarts(state)}
	if r.apply(ctx, plan, in, &resp.Diagnostics) {
		r.keep(ctx, plan, &resp.State, resp.Identity, &resp.Diagnostics)
		keepNames(ctx, resp.Private, plan.names(), &resp.Diagnostics)
	}
}

// apply carries the plan out and fills it with what is there then. The Intent lacks what the plan says of the job itself. It reports
// whether there is a state to keep.
func (r *jobResource) apply(ctx context.Context, plan jobModel, in launchctl.Intent, diags *diag.Diagnostics) bool {
	mac := r.mac(plan.text("host"), diags)
	_, text, err := plan.desired()
	if mac == nil {
		return false
	}
	label, enabled := plan.label(), plan.attrs["enabled"]
	summary := fmt.Sprintf("Unable to Install launchd Job %q", label)
	if err != nil {
		diags.AddError(summary, err.Error())
		return false
	}
	in.Place, in.Label, in.File, in.Disabled = r.place(plan), label, text, !plan.enabled()
	s, err := launchctl.Install(ctx, mac, in)
	if err != nil {
		explainJob(diags, path.Root("label"), summary, err, mac.Name(), label, s)
		return false
	}
	j := s.Job(label)
	plan.hidden = plan.names()
	plan.observe(j)
	if drift, _ := plan.attrs["drift"].(types.List); len(drift.Elements()) > 0 {
		// An error would have Terraform replace a job that was just created, and it insists on a state as planned.
		plan.attrs["drift"], plan.attrs["enabled"] = stringList(nil), enabled
		diags.AddWarning(fmt.Sprintf("launchd Job %q Is Not as Planned", label), fmt.Sprintf("It was installed on %s, but:\n\n%s\n\n"+
			"The next plan shows the difference.", mac.Name(), indent(strings.Join(stringsOf(drift), "\n"))))
	}
	if r.kind.agents && j.Domain == "" {
		tellAway(diags, plan, mac.Name())
	}
	if trouble, log := j.Trouble(); trouble != "" {
		detail := fmt.Sprintf("On %s, %s.", mac.Name(), trouble)
		if log != nil {
			detail += "\n\nThe end of its log:\n\n" + indent(strings.Join(log, "\n"))
		}
		diags.AddWarning(fmt.Sprintf("launchd Job %q Is Loaded, but Does Not Run", label), detail)
	}
	return true
}

func (r *jobResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	state := readJob(ctx, req.State, &resp.Diagnostics).hiding(ctx, req.Private, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	mac := r.mac(state.text("host"), &resp.Diagnostics)
	if mac == nil {
		return
	}
	in := launchctl.Intent{Place: r.place(state), Label: state.label(), Seen: state.seen(), Confirm: state.confirms()}
	if s, err := launchctl.Remove(ctx, mac, in); err != nil && !errors.Is(err, launchctl.ErrNobody) {
		explainJob(&resp.Diagnostics, path.Root("label"), fmt.Sprintf("Unable to Remove launchd Job %q", state.label()), err, mac.Name(), state.label(), s)
	}
}

func (r *jobResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	importOnMac(ctx, "label", req, resp)
	if r.kind.agents && !resp.Diagnostics.HasError() {
		importUser(ctx, req, resp)
	}
}

func (r *jobResource) keep(ctx context.Context, d jobModel, state *tfsdk.State, identity *tfsdk.ResourceIdentity, diags *diag.Diagnostics) {
	diags.Append(state.Set(ctx, d.object())...)
	diags.Append(r.identify(ctx, identity, d)...)
}

func (r *jobResource) identify(ctx context.Context, identity *tfsdk.ResourceIdentity, m jobModel) diag.Diagnostics {
	diags := setIdentity(ctx, identity, m.text("host"), "label", m.text("label"))
	if identity != nil && r.kind.agents {
		diags.Append(identity.SetAttribute(ctx, path.Root("user"), m.text("user"))...)
	}
	return diags
}

package provider

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/macos-fleet/terraform-provider-macos/internal/pfctl"
)

var (
	_ resource.ResourceWithConfigure   = (*pfAnchorResource)(nil)
	_ resource.ResourceWithIdentity    = (*pfAnchorResource)(nil)
	_ resource.ResourceWithImportState = (*pfAnchorResource)(nil)
	_ resource.ResourceWithModifyPlan  = (*pfAnchorResource)(nil)
)

// pfAnchorResource is macos_pf_anchor: the resource to copy from when a new one is started.
type pfAnchorResource struct{ onMac }

type pfAnchorModel struct {
	Host         types.String `tfsdk:"host"`
	Name         types.String `tfsdk:"name"`
	Rules        types.String `tfsdk:"rules"`
	MustPass     types.List   `tfsdk:"must_pass"`
	MustBlock    types.List   `tfsdk:"must_block"`
	AllowLockout types.Bool   `tfsdk:"allow_lockout"`
	File         types.String `tfsdk:"file"`
	LoadedRules  types.List   `tfsdk:"loaded_rules"`
	PFEnabled    types.Bool   `tfsdk:"pf_enabled"`
	Drift        types.List   `tfsdk:"drift"`
}

// seen is what the state knows of the anchor, for the Mac to compare with.
func (m *pfAnchorModel) seen() pfctl.Seen {
	seen := pfctl.Seen{Exists: !m.Rules.IsNull(), Loaded: stringsOf(m.LoadedRules)}
	if seen.Exists {
		seen.Text = pfctl.Terminated(m.Rules.ValueString())
	}
	return seen
}

// observe fills in what was found. The text stays as the user wrote it where the file differs in the last newline only.
func (m *pfAnchorModel) observe(s *pfctl.Survey) {
	a := s.Anchor(m.Name.ValueString())
	switch {
	case !a.Exists:
		m.Rules = types.StringNull()
	case m.Rules.IsNull() || a.Text != pfctl.Terminated(m.Rules.ValueString()):
		m.Rules = types.StringValue(a.Text)
	}
	m.File = types.StringValue(a.File)
	m.LoadedRules = stringList(a.Loaded)
	m.PFEnabled = types.BoolValue(s.Enabled)
	m.Drift = stringList(s.Drift(a.Name))
}

func (r *pfAnchorResource) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = "macos_pf_anchor"
}

func (r *pfAnchorResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "The rules of one pf anchor: on disk, loaded in the kernel, and called from the main ruleset. " +
			"Each of the three is read back from the Mac and repaired by itself.\n\n" +
			"An anchor named directly under `com.apple/`, such as `com.apple/250.mine`, is called by the `/etc/pf.conf` that macOS " +
			"ships, and needs no change there; `macos_pf` loads it at boot. Any other name gets its lines in a marked block in " +
			"`/etc/pf.conf`, and every other byte of that file stays. The anchors in that block are called in the order of their names, " +
			"after the file's own rules.\n\n" +
			"~> **The rules are exhaustive.** The anchor holds these rules and no others. An anchor that already holds rules or " +
			"has a file is never taken over, unless it is exactly what is wanted: import it first.\n\n" +
			"~> **Calling a new anchor reloads the main ruleset** from `/etc/pf.conf`, which drops the calls that Internet " +
			"Sharing, virtual machines or VPNs inserted since. The plan warns of it. Later changes touch only the anchor itself.\n\n" +
			"Every plan that changes rules of a Mac foresees what its whole ruleset would do then: to a new SSH connection, the way by which this " +
			"provider reaches it; to what the Mac itself asks for, such as DNS, the time, HTTPS and Tailscale; and to the flows in `must_pass` and `must_block`. " +
			"What would be cut is an error, with the rule that cuts it and a line that would not; what cannot be told is a warning. Anchors of the same " +
			"plan are judged together, in the order in which they are planned: one that relies on rules of another must depend on it.\n\n" +
			"This resource does not enable pf; see `macos_pf`. Destroying it removes its rules, its file and its lines, and leaves connections " +
			"that are open as they are.",
		Attributes: map[string]schema.Attribute{
			"host": hostAttribute(),
			"name": schema.StringAttribute{
				Required:      true,
				Validators:    []validator.String{named{what: "Anchor Name", check: pfctl.CheckName}},
				PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()},
				MarkdownDescription: "Name of the anchor: parts joined by `/`, of letters, digits, dots, hyphens and underscores. " +
					"Changing it replaces the resource.",
			},
			"rules": schema.StringAttribute{
				Required:   true,
				Validators: []validator.String{stringvalidator.LengthBetween(1, 1<<18), ruleText{}},
				MarkdownDescription: "The rules, in the language of pf.conf(5): at most 256 KiB. They are the file, byte for byte, with a " +
					"newline at the end if there is none. Every plan that changes them has the Mac's own pfctl read them first. " +
					"Options (`set ...`) and anchors with a body in braces are refused, since they have no effect inside an anchor.",
			},
			"must_pass": flowsAttribute("that must pass: a plan that changes rules of the Mac is refused if the Mac's whole ruleset, as it would be then, " +
				"blocks any of them, in either direction"),
			"must_block":    flowsAttribute("that must not pass: a plan that changes rules of the Mac is refused if any of them would get through"),
			"allow_lockout": lockoutAttribute(),
			"file": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "Path of the file with the rules on the Mac.",
			},
			"loaded_rules": schema.ListAttribute{
				Computed:    true,
				ElementType: types.StringType,
				MarkdownDescription: "The rules that the kernel holds, as `pfctl -a NAME -sr` and then `-sn` print them. A plan shows which of " +
					"them come and go.",
			},
			"pf_enabled": schema.BoolAttribute{
				Computed:            true,
				MarkdownDescription: "Whether pf was enabled on the Mac when it was last read. While it is not, no rule has any effect.",
			},
			"drift": driftAttribute("a wrong owner or mode of the file, and a call that is missing from the main ruleset or from `/etc/pf.conf`"),
		},
	}
}

func (r *pfAnchorResource) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = identityOf("name", "Name of the anchor.")
}

func (r *pfAnchorResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan pfAnchorModel
	if resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...); resp.Diagnostics.HasError() {
		return
	}
	if r.apply(ctx, &plan, pfctl.Seen{}, &resp.Diagnostics) {
		resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
		resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, plan.Host, "name", plan.Name)...)
	}
}

func (r *pfAnchorResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state pfAnchorModel
	if resp.Diagnostics.Append(req.State.Get(ctx, &state)...); resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, state.Host, "name", state.Name)...)
	mac := r.mac(state.Host, &resp.Diagnostics)
	if mac == nil {
		resp.Deferred = r.deferral(state.Host, req.ClientCapabilities.DeferralAllowed)
		return
	}
	s, err := pfctl.Look(ctx, mac)
	if err != nil {
		r.unread(ctx, &resp.Diagnostics, fmt.Sprintf("Unable to Read pf Anchor %q", state.Name.ValueString()), err, req.State)
		return
	}
	if s.Gone(state.Name.ValueString()) {
		resp.State.RemoveResource(ctx)
		return
	}
	state.observe(s)
	resp.Diagnostics.Append(resp.State.Set(ctx, state)...)
}

func (r *pfAnchorResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, state pfAnchorModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	if r.apply(ctx, &plan, state.seen(), &resp.Diagnostics) {
		resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
		resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, plan.Host, "name", plan.Name)...)
	}
}

// apply carries the plan out and fills it with what is there then. It reports whether there is a state to keep.
func (r *pfAnchorResource) apply(ctx context.Context, plan *pfAnchorModel, seen pfctl.Seen, diags *diag.Diagnostics) bool {
	mac := r.mac(plan.Host, diags)
	if mac == nil {
		return false
	}
	name := plan.Name.ValueString()
	s, err := pfctl.Apply(ctx, mac, name, plan.Rules.ValueString(), seen)
	if err != nil {
		explainPF(ctx, diags, path.Root("rules"), fmt.Sprintf("Unable to Load pf Anchor %q", name), err, mac,
			pfctl.Intent{Anchor: name, Text: pfctl.Terminated(plan.Rules.ValueString())}, s)
		return false
	}
	promised, enabled := plan.LoadedRules, plan.PFEnabled
	plan.observe(s)
	if !enabled.IsUnknown() {
		plan.PFEnabled = enabled
	}
	if got := stringsOf(plan.LoadedRules); !promised.IsUnknown() && !slices.Equal(got, stringsOf(promised)) {
		// An error would have Terraform replace the anchor, so that it would be without rules for a moment; and it insists on a
		// state as planned. The next plan reads what is there.
		plan.LoadedRules = promised
		diags.AddAttributeWarning(path.Root("rules"), fmt.Sprintf("pf Anchor %q Holds Other Rules Than Planned", name),
			fmt.Sprintf("They were loaded on %s, but are not those that its pfctl foretold: something that the rules depend on, such as an "+
				"interface's address, may have changed meanwhile. Loaded now:\n\n%s\n\nThe next plan shows the difference.",
				mac.Name(), indent(strings.Join(got, "\n"))))
	}
	if drift := stringsOf(plan.Drift); len(drift) > 0 {
		plan.Drift = stringList(nil)
		diags.AddAttributeWarning(path.Root("rules"), fmt.Sprintf("pf Anchor %q Is Not as Planned", name),
			fmt.Sprintf("It was loaded on %s, but:\n\n%s\n\nThe next plan shows the difference.", mac.Name(), indent(strings.Join(drift, "\n"))))
	}
	return true
}

func (r *pfAnchorResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state pfAnchorModel
	if resp.Diagnostics.Append(req.State.Get(ctx, &state)...); resp.Diagnostics.HasError() {
		return
	}
	mac := r.mac(state.Host, &resp.Diagnostics)
	if mac == nil {
		return
	}
	name := state.Name.ValueString()
	s, err := pfctl.Remove(ctx, mac, name, state.seen())
	if err != nil {
		explainPF(ctx, &resp.Diagnostics, path.Root("name"), fmt.Sprintf("Unable to Remove pf Anchor %q", name), err, mac,
			pfctl.Intent{Anchor: name, Gone: true}, s)
		return
	}
	switch a := s.Anchor(name); {
	case a.Exists:
		resp.Diagnostics.AddWarning(fmt.Sprintf("The File of pf Anchor %q Was Emptied, Not Removed", name),
			fmt.Sprintf("A line of /etc/pf.conf on %s that is not ours loads %s. Without that file, macOS would not load its main ruleset at boot. "+
				"Remove the line, then the file.", mac.Name(), a.File))
	case len(s.Lost) > 0 && len(s.Calls(name)) > 0 && !pfctl.Reached(name):
		own := fmt.Sprintf("anchor %q", name)
		others := slices.DeleteFunc(slices.Clone(s.Lost), func(line string) bool { return strings.Contains(line, own) })
		resp.Diagnostics.AddWarning(fmt.Sprintf("The Main Ruleset of %s Still Calls pf Anchor %q", mac.Name(), name),
			"The anchor has no rules any more, so the call has no effect, and it goes with the next reboot. Loading the main ruleset "+
				"now would have dropped these, which are not in /etc/pf.conf:\n\n"+indent(strings.Join(others, "\n")))
	}
}

func (r *pfAnchorResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	importOnMac(ctx, "name", req, resp)
}

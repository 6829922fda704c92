package provider

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/macos-fleet/terraform-provider-macos/internal/launchctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/pfctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

var (
	_ resource.ResourceWithConfigure   = (*pfResource)(nil)
	_ resource.ResourceWithIdentity    = (*pfResource)(nil)
	_ resource.ResourceWithImportState = (*pfResource)(nil)
	_ resource.ResourceWithModifyPlan  = (*pfResource)(nil)
)

// pfResource is macos_pf: that pf is enabled on a Mac, now and after a reboot.
type pfResource struct{ onMac }

type pfModel struct {
	Host         types.String `tfsdk:"host"`
	AtBoot       types.Bool   `tfsdk:"at_boot"`
	AllowLockout types.Bool   `tfsdk:"allow_lockout"`
	Enabled      types.Bool   `tfsdk:"enabled"`
	Drift        types.List   `tfsdk:"drift"`
}

// bootLabel is the label of the job that at_boot stands for.
const bootLabel = "io.github.macos-fleet.pf"

// bootJob is that job.
var bootJob = plist.Dict{
	{Key: "Label", Value: bootLabel},
	{Key: "ProgramArguments", Value: plist.Array{"/bin/sh", "-c", pfctl.BootScript}},
	{Key: "RunAtLoad", Value: true},
}

// pfOnMac is what macos_pf is about, as found.
type pfOnMac struct {
	pf  *pfctl.Survey
	job *launchctl.Job
}

func lookAtPF(ctx context.Context, mac *remote.Host) (found pfOnMac, err error) {
	if found.pf, err = pfctl.Look(ctx, mac); err != nil {
		return found, err
	}
	jobs, err := launchctl.Look(ctx, mac, launchctl.Place{})
	if err != nil {
		return found, err
	}
	found.job = jobs.Job(bootLabel)
	return found, nil
}

// observe fills in what was found.
func (m *pfModel) observe(found pfOnMac) {
	m.AtBoot = types.BoolValue(found.job.Exists)
	m.Enabled = types.BoolValue(found.pf.Enabled)
	var drift []string
	if !found.pf.Enabled {
		drift = append(drift, "pf is disabled")
	}
	if !found.pf.Held {
		drift = append(drift, "the enable reference is gone, so whoever else releases theirs can disable pf")
	}
	if found.job.Exists {
		for _, d := range found.job.Drift() {
			drift = append(drift, "boot job: "+d)
		}
		if !plist.Equal(found.job.Plist, bootJob) {
			drift = append(drift, "boot job: "+found.job.File+" is not as it was installed")
		}
	}
	m.Drift = stringList(drift)
}

func (r *pfResource) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = "macos_pf"
}

func (r *pfResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Keeps pf enabled on a Mac. It takes an enable reference (`pfctl -E`), as macOS's own services do, and gives it " +
			"back when destroyed (`pfctl -X`): pf then stays enabled as long as somebody else holds one. It never switches pf off for others.\n\n" +
			"Let it depend on the anchors of the same Mac, so that pf is enabled when its rules are there. Connections that were open before pf was " +
			"enabled have no state, and match no `pass` rule that keeps state: a ruleset that blocks by default cuts them.",
		Attributes: map[string]schema.Attribute{
			"host": hostAttribute(),
			"at_boot": schema.BoolAttribute{
				Optional: true,
				Computed: true,
				Default:  booldefault.StaticBool(true),
				MarkdownDescription: "Whether a launchd job, `" + bootLabel + "`, takes the reference again at boot, and loads the anchors under " +
					"`com.apple/` that `macos_pf_anchor` manages (those of other names are loaded by lines in `/etc/pf.conf`). Default: `true`.",
			},
			"allow_lockout": lockoutAttribute(),
			"enabled": schema.BoolAttribute{
				Computed:            true,
				MarkdownDescription: "Whether pf is enabled.",
			},
			"drift": driftAttribute("that pf is disabled, that its enable reference is gone, and what is wrong with the boot job"),
		},
	}
}

func (r *pfResource) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = identityschema.Schema{Attributes: map[string]identityschema.Attribute{"host": hostIdentity}}
}

// ModifyPlan foretells an enabled pf, and asks the Mac whether the rules that are there then let us in and the boot job's label is free.
func (r *pfResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() {
		return
	}
	r.planHost(ctx, req.Config, req.State, resp)
	var plan, state pfModel
	resp.Diagnostics.Append(resp.Plan.Get(ctx, &plan)...)
	creates := req.State.Raw.IsNull()
	if !creates {
		resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	}
	if resp.Diagnostics.HasError() {
		return
	}
	creates = creates || !plan.Host.Equal(state.Host)
	plan.Enabled, plan.Drift = types.BoolValue(true), stringList(nil)
	resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...)
	mac := r.mac(plan.Host, &resp.Diagnostics)
	resp.Deferred = r.deferral(plan.Host, req.ClientCapabilities.DeferralAllowed)
	if mac == nil || !creates && state.Enabled.ValueBool() {
		return
	}
	found, err := lookAtPF(ctx, mac)
	if err != nil {
		r.unplanned(&resp.Diagnostics, "Unable to Plan pf", err, true)
		return
	}
	foretell(&resp.Diagnostics, changing("Enabling pf", mac, path.Root("host"), plan.AllowLockout),
		r.inventory.planned[mac.Name()].Judge(found.pf, pfctl.Intent{Forced: plan.AllowLockout.ValueBool()}))
	if creates && !found.job.Gone() && !found.job.Adoptable(bootJob) {
		resp.Diagnostics.AddAttributeError(path.Root("at_boot"), fmt.Sprintf("launchd Job %q Exists", bootLabel),
			fmt.Sprintf("On %s there is such a job, and it is not the one that at_boot installs. It is not taken over silently.\n\n%s\n\n"+
				"To manage it from here, import it:\n\n    terraform import ADDRESS '%s'", mac.Name(), foundJob(found.job), mac.Name()))
	}
}

// Create keeps nothing in the state when it fails, for the next apply would then begin with giving the reference back: it goes on with what
// is there instead.
func (r *pfResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan pfModel
	if resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...); resp.Diagnostics.HasError() {
		return
	}
	if r.apply(ctx, &plan, false, &resp.Diagnostics); resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, plan.Host, "", types.StringNull())...)
}

func (r *pfResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan pfModel
	if resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...); resp.Diagnostics.HasError() {
		return
	}
	if r.apply(ctx, &plan, true, &resp.Diagnostics) {
		resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
		resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, plan.Host, "", types.StringNull())...)
	}
}

// apply takes the reference, then installs or removes the boot job, and fills the plan with what is there then. It reports whether it could
// see that. Managed is true once the resource exists.
func (r *pfResource) apply(ctx context.Context, plan *pfModel, managed bool, diags *diag.Diagnostics) bool {
	mac := r.mac(plan.Host, diags)
	if mac == nil {
		return false
	}
	const summary = "Unable to Enable pf"
	if err := pfctl.Enable(ctx, mac); err != nil {
		explainUndone(ctx, diags, path.Root("host"), summary, err, mac, pfctl.Intent{})
		return false
	}
	if jobs, err := applyBootJob(ctx, mac, plan.AtBoot.ValueBool(), managed); err != nil {
		explainJob(diags, path.Root("host"), "Unable to Install the Boot Job of pf", err, mac.Name(), bootLabel, jobs)
	}
	found, err := lookAtPF(ctx, mac)
	if err != nil {
		diags.AddAttributeError(path.Root("host"), "Unable to Read pf", fmt.Sprintf("pf was enabled on %s, and what is there then could not be read:\n\n%s\n\n"+
			"Run this again: it takes what is there.", mac.Name(), indent(err.Error())))
		return false
	}
	plan.observe(found)
	if drift := stringsOf(plan.Drift); len(drift) > 0 && !diags.HasError() {
		// An error would have Terraform release pf and take it anew, if it was just created, and it insists on a state as planned.
		plan.Enabled, plan.Drift = types.BoolValue(true), stringList(nil)
		diags.AddWarning("pf Is Not as Planned", fmt.Sprintf("It was enabled on %s, but:\n\n%s\n\nThe next plan shows the difference.",
			mac.Name(), indent(strings.Join(drift, "\n"))))
	}
	return true
}

// applyBootJob installs or removes the boot job, with the Mac's jobs as result as from launchctl.Install. Once the resource
// exists (managed), whatever stands under the job's label is ours; before, only a job that is just the same, as a forgotten
// resource leaves it.
func applyBootJob(ctx context.Context, mac *remote.Host, wanted, managed bool) (*launchctl.Survey, error) {
	var seen launchctl.Seen
	switch {
	case managed:
		jobs, err := launchctl.Look(ctx, mac, launchctl.Place{})
		if err != nil {
			return nil, err
		}
		seen = jobs.Job(bootLabel).Seen()
	case !wanted:
		seen.File = bootJob
	}
	if !wanted {
		return launchctl.Remove(ctx, mac, launchctl.Intent{Label: bootLabel, Seen: seen})
	}
	text, err := plist.Encode(bootJob)
	if err != nil {
		return nil, err
	}
	return launchctl.Install(ctx, mac, launchctl.Intent{Label: bootLabel, File: text, Seen: seen})
}

func (r *pfResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state pfModel
	if resp.Diagnostics.Append(req.State.Get(ctx, &state)...); resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, state.Host, "", types.StringNull())...)
	mac := r.mac(state.Host, &resp.Diagnostics)
	if mac == nil {
		resp.Deferred = r.deferral(state.Host, req.ClientCapabilities.DeferralAllowed)
		return
	}
	found, err := lookAtPF(ctx, mac)
	if err != nil {
		r.unread(ctx, &resp.Diagnostics, "Unable to Read pf", err, req.State)
		return
	}
	if !found.pf.Held && found.job.Gone() {
		resp.State.RemoveResource(ctx)
		return
	}
	state.observe(found)
	resp.Diagnostics.Append(resp.State.Set(ctx, state)...)
}

func (r *pfResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state pfModel
	if resp.Diagnostics.Append(req.State.Get(ctx, &state)...); resp.Diagnostics.HasError() {
		return
	}
	mac := r.mac(state.Host, &resp.Diagnostics)
	if mac == nil {
		return
	}
	// The job first: it would take the reference again at a reboot in between.
	if jobs, err := applyBootJob(ctx, mac, false, true); err != nil {
		explainJob(&resp.Diagnostics, path.Root("host"), "Unable to Remove the Boot Job of pf", err, mac.Name(), bootLabel, jobs)
	}
	if err := pfctl.Release(ctx, mac); err != nil {
		explain(&resp.Diagnostics, path.Root("host"), "Unable to Release pf", err)
	}
}

func (r *pfResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	resource.ImportStatePassthroughWithIdentity(ctx, path.Root("host"), path.Root("host"), req, resp)
}

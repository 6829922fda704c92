package provider

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/macos-fleet/terraform-provider-macos/internal/pfctl"
)

// This file is what a plan of macos_pf_anchor says: errors that end it, and warnings that a user should read before agreeing.

// ModifyPlan asks the Mac what would happen: whether pfctl takes the rules and what they load to, whether the anchor is free
// to be created, and whether the main ruleset has to be loaded.
func (r *pfAnchorResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() {
		r.planRemoval(ctx, req.State, &resp.Diagnostics)
		return
	}
	r.planHost(ctx, req.Config, req.State, resp)
	var plan, state pfAnchorModel
	resp.Diagnostics.Append(resp.Plan.Get(ctx, &plan)...)
	creates := req.State.Raw.IsNull()
	if !creates {
		resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	}
	if resp.Diagnostics.HasError() || plan.Name.IsUnknown() {
		return
	}
	creates = creates || !plan.Name.Equal(state.Name) || !plan.Host.Equal(state.Host)
	name := plan.Name.ValueString()
	plan.File, plan.Drift = types.StringValue(pfctl.FileOf(name)), stringList(nil)
	plan.LoadedRules, plan.PFEnabled = types.ListUnknown(types.StringType), types.BoolUnknown()
	defer func() { resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...) }()

	if !state.Host.IsNull() && !plan.Host.IsUnknown() && !plan.Host.Equal(state.Host) {
		r.planRemoval(ctx, req.State, &resp.Diagnostics) // from the other Mac
	}
	if !creates {
		plan.PFEnabled = state.PFEnabled // as it was read; that macos_pf may change it in the same apply is seen by the next
	}
	mac := r.mac(plan.Host, &resp.Diagnostics)
	resp.Deferred = r.deferral(plan.Host, req.ClientCapabilities.DeferralAllowed)
	if mac == nil || plan.Rules.IsUnknown() {
		return
	}
	summary := fmt.Sprintf("Unable to Plan pf Anchor %q", name)
	s, err := pfctl.Look(ctx, mac)
	if err != nil {
		if !creates && plan.Rules.Equal(state.Rules) {
			plan.LoadedRules = state.LoadedRules
		}
		repairs := len(state.LoadedRules.Elements()) == 0 || len(state.Drift.Elements()) > 0
		r.unplanned(&resp.Diagnostics, summary, err, creates || plan.Rules.Equal(state.Rules) && !repairs)
		return
	}
	if conf := confTrouble(s, mac.Name()); conf != nil {
		resp.Diagnostics.Append(conf)
	}
	a := s.Anchor(name)
	if a.Link {
		resp.Diagnostics.AddAttributeError(path.Root("name"), fmt.Sprintf("The File of pf Anchor %q Is a Symbolic Link", name),
			fmt.Sprintf("%s on %s is a link to somewhere else. It is not followed and not replaced: remove it, or choose another name.", a.File, mac.Name()))
	}
	if resp.Diagnostics.HasError() {
		return
	}
	want := a.Expected
	if !a.Exists || a.Text != pfctl.Terminated(plan.Rules.ValueString()) {
		if want, err = pfctl.Check(ctx, mac, name, plan.Rules.ValueString()); err != nil {
			r.unplanned(&resp.Diagnostics, summary, err, creates)
			return
		}
	}
	if refused(&resp.Diagnostics, mac.Name(), plan.Rules.ValueString(), want); resp.Diagnostics.HasError() {
		return
	}
	if twin := s.Twin(name); creates && twin != "" {
		resp.Diagnostics.AddAttributeError(path.Root("name"), fmt.Sprintf("pf Anchor %q Exists as %q", name, twin),
			fmt.Sprintf("%s on %s is the file of both, because the Mac's file system does not tell upper from lower case.", a.File, mac.Name()))
		return
	}
	if creates && !adoptable(a, plan.Rules.ValueString(), want) {
		resp.Diagnostics.AddAttributeError(path.Root("name"), fmt.Sprintf("pf Anchor %q Exists", name),
			fmt.Sprintf("On %s there is such an anchor, and it is not what this configuration wants. It is not taken over silently.\n\n%s\n\n"+
				"To manage it from here, import it:\n\n    terraform import ADDRESS '%s/%s'", mac.Name(), found(a), mac.Name(), name))
		return
	}

	switch change := s.Plan(name, want); {
	case creates && r.inventory.keeps[mac.Name()]: // stays open, see unplanned
	case !change.Kernel:
		plan.LoadedRules = stringList(a.Loaded)
	case want.Exact:
		plan.LoadedRules = stringList(want.Lines)
	}
	warn(&resp.Diagnostics, s, mac.Name(), name, want, creates)
	intents := []pfctl.Intent{plan.intent(want, creates || !plan.MustPass.Equal(state.MustPass) || !plan.MustBlock.Equal(state.MustBlock))}
	planned := r.inventory.planned[mac.Name()]
	old := pfctl.Intent{Anchor: state.Name.ValueString(), Gone: true}
	renamed := old.Anchor != "" && old.Anchor != name && plan.Host.Equal(state.Host)
	if renamed {
		intents = append(intents, old)
	}
	about := changing(fmt.Sprintf("pf Anchor %q", name), mac, path.Root("rules"), plan.AllowLockout)
	foretell(&resp.Diagnostics, about, planned.Judge(s, intents...))
	if renamed {
		foretell(&resp.Diagnostics, replacing(old.Anchor, mac), new(pfctl.Planned).Judge(s, old))
	}
}

// intent is what a plan is going to do to the Mac, where its rules load to this. Its demands may be new.
func (m *pfAnchorModel) intent(want pfctl.Rules, demands bool) pfctl.Intent {
	return pfctl.Intent{
		Anchor: m.Name.ValueString(), Text: m.Rules.ValueString(), Want: want, Pass: flows(m.MustPass), Block: flows(m.MustBlock),
		Demands: demands, Forced: m.AllowLockout.ValueBool(),
	}
}

// planRemoval says what the end of the anchor would do. If that cannot be known, it is no reason to keep the anchor.
func (r *pfAnchorResource) planRemoval(ctx context.Context, state tfsdk.State, diags *diag.Diagnostics) {
	var old pfAnchorModel
	if diags.Append(state.Get(ctx, &old)...); diags.HasError() || r.inventory == nil {
		return
	}
	mac := r.inventory.macs[old.Host.ValueString()]
	if mac == nil {
		return
	}
	about := removing(old.Name.ValueString(), mac, old.AllowLockout)
	s, err := pfctl.Look(ctx, mac)
	if err != nil {
		switch failure := unreached(err); {
		case failure != nil && r.keeps(failure):
			r.warnAway(diags, failure)
		case failure == nil || !saidBefore(failure, inWarning):
			diags.AddWarning(fmt.Sprintf("Cannot Tell Whether %s Cuts %s Off", about.what, about.mac), cmp.Or(because(err), err.Error()))
		}
		return
	}
	intent := pfctl.Intent{Anchor: old.Name.ValueString(), Gone: true, Forced: about.forced}
	foretell(diags, about, r.inventory.planned[mac.Name()].Judge(s, intent))
}

// refused turns what pfctl would not take, or would take and ignore, into errors at `rules`.
func refused(diags *diag.Diagnostics, mac, rules string, want pfctl.Rules) {
	at := path.Root("rules")
	switch {
	case want.Err != nil:
		diags.AddAttributeError(at, "pfctl Refuses the Rules", fmt.Sprintf("pfctl on %s says:\n\n%s\n\nNothing was changed there.", mac, indent(complaints(want.Err, rules))))
	case len(want.Set) > 0:
		diags.AddAttributeError(at, "Option Inside an Anchor", fmt.Sprintf("pfctl accepts this in an anchor and ignores it:\n\n%s\n\n"+
			"Options hold for the whole Mac, and belong into its /etc/pf.conf.", indent(strings.Join(want.Set, "\n"))))
	case want.Dummynet:
		diags.AddAttributeError(at, "Dummynet Rules Inside an Anchor", "Dummynet rules are Apple's own and undocumented, and this resource does not read them back, so it cannot keep them.")
	case want.Inline:
		diags.AddAttributeError(at, "Anchor With a Body Inside an Anchor", "pfctl accepts an anchor with a body in braces here, but by its ancestor's "+
			"source the kernel would then look for that body in another place, and never evaluate it. Make it a macos_pf_anchor of its own, "+
			"and call it by name.")
	}
}

// complaints are what pfctl says of the rules, each with the line that it is about.
func complaints(e *pfctl.SyntaxError, rules string) string {
	lines := strings.Split(rules, "\n")
	var b strings.Builder
	for _, m := range e.Messages {
		if m.Line == 0 {
			fmt.Fprintf(&b, "%s\n", m.Text)
			continue
		}
		fmt.Fprintf(&b, "line %d: %s\n", m.Line, m.Text)
		if m.Line <= len(lines) {
			fmt.Fprintf(&b, "    %s\n", strings.TrimSpace(lines[m.Line-1]))
		}
	}
	return b.String()
}

// adoptable reports whether an anchor is free, or holds exactly what is wanted already, as after an apply that was cut short.
func adoptable(a *pfctl.Anchor, rules string, want pfctl.Rules) bool {
	return !a.Link && (!a.Exists || a.Text == pfctl.Terminated(rules)) && (len(a.Loaded) == 0 || want.Matches(a.Loaded))
}

// warn says what a user should know before agreeing to the plan.
func warn(diags *diag.Diagnostics, s *pfctl.Survey, mac, name string, want pfctl.Rules, creates bool) {
	if len(s.Plan(name, want).Missing) > 0 {
		lost := "At the moment there are none."
		if len(s.Lost) > 0 {
			lost = "These are there now:\n\n" + indent(strings.Join(s.Lost, "\n"))
		}
		diags.AddAttributeWarning(path.Root("name"), fmt.Sprintf("The Main Ruleset of %s Will Be Loaded", mac),
			fmt.Sprintf("The main ruleset does not call anchor %q, so /etc/pf.conf will be loaded. That drops rules and calls that are "+
				"not in the file, which Internet Sharing, virtual machines and VPNs insert. %s", name, lost))
	}
	if creates {
		return // what enables pf at boot may be created by the same apply
	}
	const cure = "A macos_pf resource takes care of that; one that this plan creates or repairs does so, too."
	switch {
	case !s.EnabledAtBoot():
		now := ""
		if !s.Enabled {
			now = fmt.Sprintf("pf is disabled on %s at the moment, so anchor %q has no effect there. ", mac, name)
		}
		diags.AddAttributeWarning(path.Root("name"), fmt.Sprintf("pf Is Not Enabled at Boot on %s", mac),
			fmt.Sprintf("%sNothing in /Library/LaunchDaemons there enables pf, so after the next reboot anchor %q may have no effect. %s", now, name, cure))
	case !s.LoadedAtBoot(name) && pfctl.Reached(name):
		diags.AddAttributeWarning(path.Root("name"), fmt.Sprintf("pf Anchor %q Will Be Empty After a Reboot", name),
			fmt.Sprintf("macOS calls com.apple/*, but loads nothing into %s at boot, and nothing in /Library/LaunchDaemons on %s does. %s", name, mac, cure))
	}
}

// confTrouble says what is wrong with /etc/pf.conf as a whole, which is not ours to mend; nil if nothing is.
func confTrouble(s *pfctl.Survey, mac string) diag.Diagnostic {
	switch {
	case s.NoConf:
		return diag.NewAttributeErrorDiagnostic(path.Root("host"), fmt.Sprintf("%s Has No /etc/pf.conf", mac),
			"Without that file the Mac boots without a main ruleset, and nothing can be called from it. Put macOS's own back, from a backup or another Mac "+
				"of the same release, and check it with `sudo pfctl -n -f /etc/pf.conf`.")
	case s.ConfErr != nil:
		return diag.NewAttributeWarningDiagnostic(path.Root("host"), fmt.Sprintf("pfctl Refuses /etc/pf.conf on %s", mac),
			fmt.Sprintf("The rules that are loaded now stay, but after the next reboot there would be no main ruleset, and no anchor would have any effect. "+
				"Somebody changed the file; this resource keeps only its own lines there. pfctl says:\n\n%s", indent(s.ConfErr.Error())))
	}
	return nil
}

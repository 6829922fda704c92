package provider

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
	"github.com/macos-fleet/terraform-provider-macos/internal/pfctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

// This file is the forecast in plans: what new rules would do to the way in, to what the Mac asks for, and to what was demanded.

// lockoutAttribute is `allow_lockout` in the schema of every resource that has a forecast.
func lockoutAttribute() schema.BoolAttribute {
	return schema.BoolAttribute{
		Optional: true,
		MarkdownDescription: "Whether to go on when the plan foresees that the way in, or what the Mac asks for, would be cut, or that " +
			"`must_pass` or `must_block` of an anchor would not hold: that is then a warning. The Mac undoes the change by itself if it cannot be " +
			"confirmed over a new connection. Default: `false`.",
	}
}

// flowsAttribute is a list of flows.
func flowsAttribute(which string) schema.ListAttribute {
	return schema.ListAttribute{
		Optional:    true,
		ElementType: types.StringType,
		Validators:  []validator.List{listvalidator.ValueStringsAre(flowText{})},
		MarkdownDescription: "Connections " + which + ". Each is written as in a rule, without what the rule does, and stands for all " +
			"connections that it fits: `in proto tcp from 100.64.0.0/10 to any port 22`. The rules are judged as if pf were enabled.",
	}
}

// flowText accepts what stands for flows in must_pass and must_block.
type flowText struct{}

func (flowText) Description(context.Context) string {
	return "must be a flow, such as in proto tcp to any port 22"
}

func (v flowText) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (flowText) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if _, err := pf.ParseFlow(req.ConfigValue.ValueString()); err != nil {
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid Flow", fmt.Sprintf("    %s\n\n%s.\n\nA flow is written as in a rule, without what the rule "+
			"does: in or out, then perhaps on INTERFACE, inet or inet6, proto, from ADDRESS port PORT, to ADDRESS port PORT.", req.ConfigValue.ValueString(),
			capitalized(err.Error())))
	}
}

// flows are those of a list; one that is not known yet is looked at when it is.
func flows(list types.List) []pf.Flow {
	var all []pf.Flow
	for _, text := range stringsOf(list) {
		if f, err := pf.ParseFlow(text); err == nil {
			all = append(all, f)
		}
	}
	return all
}

// A subject is what a forecast is about, in words.
type subject struct {
	what   string    // `pf Anchor "web"`, `Removing pf Anchor "web"` or `Enabling pf`
	at     path.Path // where its errors stand; empty: nowhere
	gone   bool      // the resource is to be destroyed
	forced bool      // allow_lockout
}

// forecast has what is planned judged together with what was planned before, and says what speaks against it.
func (m *onMac) forecast(diags *diag.Diagnostics, mac *remote.Host, s *pfctl.Survey, about subject, intents ...pfctl.Intent) {
	planned := m.inventory.planned[mac.Name()]
	var cuts, stalls, doubts []pfctl.Finding
	for _, f := range planned.Judge(s, intents...) {
		switch f.Kind {
		case pfctl.Cut, pfctl.Leak:
			cuts = append(cuts, f)
		case pfctl.Stall:
			stalls = append(stalls, f)
		case pfctl.Doubt:
			doubts = append(doubts, f)
		}
	}
	if len(cuts) > 0 {
		summary := fmt.Sprintf("%s Would Cut %s Off", about.what, mac.Name())
		if cuts[0].Demanded { // they come last
			summary = fmt.Sprintf("%s Would Not Do on %s What It Must", about.what, mac.Name())
		}
		about.say(diags, !about.forced, summary, verdicts(cuts)+about.override(mac.Name()))
	}
	if len(stalls) > 0 {
		about.say(diags, false, fmt.Sprintf("Connections to %s That Are Open Now Will Stall", mac.Name()),
			verdicts(stalls)+"pf knows nothing of connections that were open before it was enabled. This provider goes on over a new one, but all others that the rules "+
				"treat alike will hear nothing more, ssh sessions of people included.")
	}
	if len(doubts) > 0 {
		about.say(diags, false, fmt.Sprintf("Cannot Tell Whether %s Cuts %s Off", about.what, mac.Name()), verdicts(doubts)+
			"If it does, the Mac undoes the change by itself when it cannot be confirmed over a new connection.")
	}
}

func (about subject) say(diags *diag.Diagnostics, isError bool, summary, detail string) {
	nowhere := about.at.Equal(path.Empty())
	switch {
	case isError && nowhere:
		diags.AddError(summary, detail)
	case isError:
		diags.AddAttributeError(about.at, summary, detail)
	case nowhere:
		diags.AddWarning(summary, detail)
	default:
		diags.AddAttributeWarning(about.at, summary, detail)
	}
}

// override is how to go on.
func (about subject) override(mac string) string {
	const undo = "The Mac then undoes the change by itself if it cannot be confirmed over a new connection."
	switch {
	case about.forced:
		return "It will be done, since allow_lockout is set. " + undo
	case about.gone:
		return "If another resource of this configuration has to go first, make it depend on this one (depends_on). To go on nevertheless, set " +
			"allow_lockout = true, apply that, and then destroy. " + undo
	}
	return fmt.Sprintf("If another resource of this configuration brings the rule that lets it through, make this one depend on it (depends_on). If %s has to be "+
		"cut off here, set allow_lockout = true. %s", mac, undo)
}

// verdicts are the findings in words, each rule that decides with all flows that it decides.
func verdicts(findings []pfctl.Finding) string {
	var b strings.Builder
	for i := 0; i < len(findings); {
		reason := reasonOf(findings[i])
		for ; i < len(findings) && reasonOf(findings[i]) == reason; i++ {
			if f := findings[i]; f.Flow != nil {
				fmt.Fprintf(&b, "%s:\n\n    %s\n\n", capitalized(f.What), f.Flow)
			}
		}
		b.WriteString(reason + "\n\n")
	}
	return b.String()
}

// reasonOf is why: the rule, what it does there, and what would help.
func reasonOf(f pfctl.Finding) string {
	does := map[pfctl.Kind]string{pfctl.Cut: "cuts it", pfctl.Leak: "lets it through", pfctl.Stall: "cuts it", pfctl.Doubt: "may decide"}[f.Kind]
	var parts []string
	if f.Line != "" {
		parts = append(parts, fmt.Sprintf("%s %s:\n\n%s", capitalized(f.Place), does, indent(f.Line)))
	}
	if f.Why != "" {
		parts = append(parts, capitalized(f.Why))
	}
	if f.Conversation != nil && f.Conversation.Cure != "" && f.Kind != pfctl.Leak {
		parts = append(parts, "This would let it through:\n\n"+indent(f.Conversation.Cure))
	}
	return strings.Join(parts, "\n\n")
}

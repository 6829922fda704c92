package provider

import (
	"context"
	"fmt"
	"slices"
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

// A subject is what a forecast is about.
type subject struct {
	what   string    // `pf Anchor "web"`, `Removing pf Anchor "web"` or `Enabling pf`
	mac    string    // its name
	at     path.Path // where errors stand; empty: nowhere
	forced bool      // errors are warnings
	goOn   string    // how to go on, in sentences
}

// undoes is why it is no disaster.
const undoes = " The Mac then undoes the change by itself if it cannot be confirmed over a new connection."

// changing is the subject of a resource that exists then.
func changing(what string, mac *remote.Host, at path.Path, forced types.Bool) subject {
	about := subject{what: what, mac: mac.Name(), at: at, forced: forced.ValueBool()}
	if about.goOn = "It will be done, since allow_lockout is set." + undoes; !about.forced {
		about.goOn = "If another resource of this configuration brings the rule that lets it through, make this one depend on it (depends_on). If " +
			mac.Name() + " has to be cut off here, set allow_lockout = true." + undoes
	}
	return about
}

// removing is the subject of an anchor that is to go.
func removing(anchor string, mac *remote.Host, forced types.Bool) subject {
	return ending(fmt.Sprintf("pf Anchor %q", anchor), mac, forced)
}

// ending is the subject of what is to go.
func ending(what string, mac *remote.Host, forced types.Bool) subject {
	about := changing("Removing "+what, mac, path.Empty(), forced)
	if !about.forced {
		about.goOn = "If another resource of this configuration has to go first, make it depend on this one (depends_on). To go on nevertheless, set " +
			"allow_lockout = true, apply that, and then destroy." + undoes
	}
	return about
}

// replacing is the subject of an anchor that goes before it comes under another name.
func replacing(anchor string, mac *remote.Host) subject {
	return subject{
		what: fmt.Sprintf("Replacing pf Anchor %q", anchor), mac: mac.Name(), at: path.Root("name"), forced: true,
		goOn: "That is for a moment, since the old anchor goes before the new one comes, but it may end the apply. With create_before_destroy = true " +
			"in the resource's lifecycle block it is the other way round." + undoes,
	}
}

// foretell says in a plan what was found.
func foretell(diags *diag.Diagnostics, about subject, findings []pfctl.Finding) {
	var cuts, stalls, doubts []pfctl.Finding
	for _, f := range findings {
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
		summary := fmt.Sprintf("%s Would Cut %s Off", about.what, about.mac)
		if cuts[0].Demanded { // they come last
			summary = fmt.Sprintf("%s Would Not Do on %s What It Must", about.what, about.mac)
		}
		about.say(diags, !about.forced, summary, verdicts(cuts, foreseen)+about.goOn)
	}
	if len(stalls) > 0 {
		about.say(diags, false, fmt.Sprintf("Connections to %s That Are Open Now Will Stall", about.mac),
			verdicts(stalls, foreseen)+"pf knows nothing of connections that were open before it was enabled. This provider goes on over a new one, but all others that the "+
				"rules treat alike will hear nothing more, ssh sessions of people included.")
	}
	if len(doubts) > 0 {
		about.say(diags, false, fmt.Sprintf("Cannot Tell Whether %s Cuts %s Off", about.what, about.mac), verdicts(doubts, foreseen)+"If it does:"+undoes)
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

// verdicts are the findings in words, those together that one rule decides for one reason.
func verdicts(findings []pfctl.Finding, headings map[pfctl.Kind]heading) string {
	var b strings.Builder
	for len(findings) > 0 {
		first := findings[0]
		var flows, cures []string
		findings = slices.DeleteFunc(findings, func(f pfctl.Finding) bool {
			if f.Kind != first.Kind || f.Place != first.Place || f.Line != first.Line || f.Why != first.Why {
				return false
			}
			if f.Flow != nil {
				flows = append(flows, f.What+": "+f.Flow.String())
			}
			if c := f.Conversation; c != nil && c.Cure != "" && f.Kind != pfctl.Leak && !slices.Contains(cures, c.Cure) {
				cures = append(cures, c.Cure)
			}
			return true
		})
		say := headings[first.Kind]
		paragraph(&b, say.flows, flows)
		if first.Line != "" {
			paragraph(&b, capitalized(first.Place)+" "+say.rule+":", []string{first.Line})
		}
		if first.Why != "" {
			fmt.Fprintf(&b, "%s\n\n", capitalized(first.Why))
		}
		paragraph(&b, "With this it would pass:", cures)
	}
	return b.String()
}

// A heading introduces the flows of a kind of finding, and the rule that decides them.
type heading struct{ flows, rule string }

// foreseen is said in a plan, suspected of what was undone.
var (
	foreseen = map[pfctl.Kind]heading{
		pfctl.Cut:   {"This would be cut:", "cuts it"},
		pfctl.Leak:  {"This would pass, and must not:", "lets it through"},
		pfctl.Stall: {"This would stall:", "cuts it"},
		pfctl.Doubt: {"It is not certain what would become of this:", "may decide"},
	}
	suspected = map[pfctl.Kind]heading{pfctl.Cut: {"This was cut:", "cut it"}}
)

// paragraph writes lines under a heading, or nothing when there are none.
func paragraph(b *strings.Builder, heading string, lines []string) {
	if len(lines) > 0 {
		fmt.Fprintf(b, "%s\n\n%s\n\n", heading, indent(strings.Join(lines, "\n")))
	}
}

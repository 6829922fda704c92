package provider

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
)

var _ function.Function = pfVerdictFunction{}

// pfVerdictFunction is pf_verdict: rules and a packet in, what pf would do out. It asks no Mac.
type pfVerdictFunction struct{}

// pfVerdict is what pf_verdict returns; nil is null.
type pfVerdict struct {
	Verdict string  `tfsdk:"verdict"`
	Line    *int64  `tfsdk:"line"`
	Rule    *string `tfsdk:"rule"`
	Why     *string `tfsdk:"why"`
	Cure    *string `tfsdk:"cure"`
}

func (pfVerdictFunction) Metadata(_ context.Context, _ function.MetadataRequest, resp *function.MetadataResponse) {
	resp.Name = "pf_verdict"
}

func (pfVerdictFunction) Definition(_ context.Context, _ function.DefinitionRequest, resp *function.DefinitionResponse) {
	resp.Definition = function.Definition{
		Summary: "What rules do to a packet and its answer",
		MarkdownDescription: "Says whether a conversation passes a main ruleset: the packet that opens it, the answer, which may need a state to pass, " +
			"and what follows. It asks no Mac.\n\n" +
			"Returns an object:\n\n" +
			"- `verdict`: `pass`, `block`, `mixed` if some of the conversations that the packet stands for pass and others do not, or `unknown` if " +
			"it cannot be told without a Mac, as with rules about users, routes or chance.\n" +
			"- `line` and `rule`: the rule that blocks, else the one that makes the state; null if there is none.\n" +
			"- `why`: the reason, in sentences.\n" +
			"- `cure`: for a conversation that is blocked, one line that would let it pass, and where to put it. It was tried. Null if none is known.\n\n" +
			"A packet may stand for many: `in proto tcp from 100.64.0.0/10 to any port 22`. All are tried that the rules tell apart. The Mac's own end, " +
			"`to any` of a packet that comes in and `from any` of one that goes out, is any address that the Mac may have, so a rule that names an address " +
			"of the Mac makes the verdict `mixed` unless the packet names it, too; `(en0)` in a rule stands for the Mac's own end of a packet on en0. A packet without " +
			"`on` is tried on each interface that the rules name, but for loopback, and on one that they do not.\n\n" +
			"Anchors are empty, but for those in braces. pf is taken to be enabled, without states from before. The function fails where " +
			"`pf_check` does, and where a rule depends on a Mac, as with `self`, `en0` as an address, host names, and names of users.",
		Parameters: []function.Parameter{
			rulesParameter,
			function.StringParameter{
				Name: "packet",
				MarkdownDescription: "The packet that opens the conversation, in the words of a rule: `in` or `out`, then if wanted `on` an interface, `inet` or `inet6`, " +
					"`proto` and one protocol, `from` and `to` with an address, a network, a list of them in braces or `any`, each with a `port`. " +
					"A last word `open` is for a conversation that is open already when pf is enabled.",
			},
		},
		Return: function.ObjectReturn{AttributeTypes: map[string]attr.Type{
			"verdict": types.StringType, "line": types.Int64Type, "rule": types.StringType, "why": types.StringType, "cure": types.StringType,
		}},
	}
}

func (pfVerdictFunction) Run(ctx context.Context, req function.RunRequest, resp *function.RunResponse) {
	var rules, packet string
	if resp.Error = req.Arguments.Get(ctx, &rules, &packet); resp.Error != nil {
		return
	}
	file, wrong := parseRules(rules)
	if wrong != nil {
		resp.Error = function.NewArgumentFuncError(0, wordsOf(wrong))
		return
	}
	kernel := new(pf.Kernel)
	if err := kernel.Load(time.Time{}, file); err != nil {
		resp.Error = function.NewArgumentFuncError(0, err.Error())
		return
	}
	flow, err := pf.ParseFlow(packet)
	if err != nil {
		resp.Error = function.NewArgumentFuncError(1, err.Error())
		return
	}
	out := kernel.Converse(nil, flow)
	if out == (pf.Outcome{}) {
		resp.Error = function.NewArgumentFuncError(1, "No Mac has such a conversation: its ends cannot meet on that interface.")
		return
	}
	resp.Error = resp.Result.Set(ctx, verdictOf(out))
}

// verdictOf sums up what becomes of all conversations of a flow, of which there is at least one.
func verdictOf(out pf.Outcome) pfVerdict {
	switch {
	case out.Pass != nil && out.Cut != nil:
		v := verdictOn("mixed", out.Cut)
		why := fmt.Sprintf("Some pass, such as that of the packet %s. Some do not: the packet %s is blocked. %s", out.Pass.Packet, out.Cut.Packet, *v.Why)
		v.Why = &why
		return v
	case out.Unsure != nil:
		return verdictOn("unknown", out.Unsure)
	case out.Sampled:
		why := "The packet stands for more conversations than can be tried. Those that were tried have the same fate."
		return pfVerdict{Verdict: "unknown", Why: &why}
	case out.Cut != nil:
		return verdictOn("block", out.Cut)
	}
	return verdictOn("pass", out.Pass)
}

// verdictOn is a verdict that one conversation stands for.
func verdictOn(verdict string, c *pf.Conversation) pfVerdict {
	v := pfVerdict{Verdict: verdict, Why: &c.Why}
	if c.Rule != nil {
		line, rule := int64(c.Rule.Pos.Line), c.Rule.String()
		v.Line, v.Rule = &line, &rule
	}
	if c.Cure != "" {
		v.Cure = &c.Cure
	}
	return v
}

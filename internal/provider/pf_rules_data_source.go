package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/macos-fleet/terraform-provider-macos/internal/pfctl"
)

var _ datasource.DataSourceWithConfigure = (*pfRulesDataSource)(nil)

// pfRulesDataSource is data.macos_pf_rules: all rules that a Mac's kernel holds, whoever loaded them.
type pfRulesDataSource struct{ sourceOnMac }

type pfRulesModel struct {
	Host        types.String    `tfsdk:"host"`
	Rules       []pfRuleModel   `tfsdk:"rules"`
	Anchors     []pfCalledModel `tfsdk:"anchors"`
	DeadAnchors []types.String  `tfsdk:"dead_anchors"`
	Tables      []pfFilledModel `tfsdk:"tables"`
}

type pfRuleModel struct {
	Anchor    types.String `tfsdk:"anchor"`
	Text      types.String `tfsdk:"text"`
	Evaluated types.Bool   `tfsdk:"evaluated"`
	Action    types.String `tfsdk:"action"`
	Response  types.String `tfsdk:"response"`
	Call      types.String `tfsdk:"call"`
	Direction types.String `tfsdk:"direction"`
	Quick     types.Bool   `tfsdk:"quick"`
	Log       types.Bool   `tfsdk:"log"`
	Interface types.String `tfsdk:"interface"`
	Route     types.String `tfsdk:"route"`
	Family    types.String `tfsdk:"af"`
	Proto     types.String `tfsdk:"proto"`
	From      types.String `tfsdk:"from"`
	FromPort  types.String `tfsdk:"from_port"`
	To        types.String `tfsdk:"to"`
	ToPort    types.String `tfsdk:"to_port"`
	User      types.String `tfsdk:"user"`
	Group     types.String `tfsdk:"group"`
	Flags     types.String `tfsdk:"flags"`
	ICMPType  types.String `tfsdk:"icmp_type"`
	State     types.String `tfsdk:"state"`
	Label     types.String `tfsdk:"label"`
	Tag       types.String `tfsdk:"tag"`
	Tagged    types.String `tfsdk:"tagged"`
	Target    types.String `tfsdk:"target"`
}

type pfCalledModel struct {
	Name  types.String   `tfsdk:"name"`
	Calls []types.String `tfsdk:"calls"`
}

type pfFilledModel struct {
	Anchor    types.String   `tfsdk:"anchor"`
	Name      types.String   `tfsdk:"name"`
	Addresses []types.String `tfsdk:"addresses"`
}

func (d *pfRulesDataSource) Metadata(_ context.Context, _ datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = "macos_pf_rules"
}

func (d *pfRulesDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	text := func(description string) schema.StringAttribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: description}
	}
	boolean := func(description string) schema.BoolAttribute {
		return schema.BoolAttribute{Computed: true, MarkdownDescription: description}
	}
	anchor := text("The anchor that it is in. Null: the main ruleset.")
	resp.Schema = schema.Schema{
		MarkdownDescription: "All rules that the kernel of a Mac holds, whoever loaded them: the main ruleset and every anchor, filtering and translation, as " +
			"pfctl prints them and taken apart. So that a `check` can say what must never be there, such as an anchor that is loaded and that nothing " +
			"evaluates. Rules of Apple's dummynet are not shown.",
		Attributes: map[string]schema.Attribute{
			"host": hostSourceAttribute(),
			"rules": schema.ListNestedAttribute{
				Computed: true,
				MarkdownDescription: "The main ruleset, then each anchor by its name; of each, scrub and filter rules in the order of their evaluation, then translation. " +
					"What a rule does not say is null.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"anchor": anchor,
					"text":   text("The rule as pfctl prints it. A line that cannot be read here has nothing else but this."),
					"evaluated": boolean("Whether calls lead to it from the main ruleset, each of the rule's kind: `anchor` for filter rules, `rdr-anchor` for rdr and so on. A " +
						"condition on such a call may still never hold."),
					"action":    text("`pass`, `block`, `scrub`, `nat`, `no nat`, `rdr`, `binat` ..., or `anchor`, `rdr-anchor` ... for the call of an anchor."),
					"response":  text("How a `block` answers: `drop`, `return`, `return-rst` ..."),
					"call":      text("The anchor that is called, as it is called: `com.apple/*`."),
					"direction": text("`in` or `out`."),
					"quick":     boolean("Whether the rule is the last that is looked at when it matches."),
					"log":       boolean("Whether it logs."),
					"interface": text("The interface that it is for, with `! ` before it if for all others."),
					"route":     text("Where it sends its packets instead: `route-to (lo0 127.0.0.1)`."),
					"af":        text("`inet` or `inet6`."),
					"proto":     text("The protocol, such as `tcp`."),
					"from":      text("Where the packets come from: `any`, an address, a network, a table `<NAME>` ..., with `! ` before it if all others are meant."),
					"from_port": text("The ports that they come from: `22`, `1024:65535`, `!= 80`, `> 1023` ..."),
					"to":        text("Where they go, as `from`."),
					"to_port":   text("The ports that they go to."),
					"user":      text("The user id of the socket's owner, or a comparison with it."),
					"group":     text("The same of the group."),
					"flags":     text("The TCP flags that it looks at: `S/SA` are those of new connections."),
					"icmp_type": text("The type of ICMP messages."),
					"state":     text("`keep`, `modulate` or `synproxy` for a rule that makes states, `no` for a `pass` that makes none."),
					"label":     text("Its label."),
					"tag":       text("The tag that it puts on packets."),
					"tagged":    text("The tag that it asks for, with `! ` before it if any other will do."),
					"target":    text("Where `nat`, `rdr` and `binat` send what they translate: `127.0.0.1 port 8080`."),
				}},
			},
			"anchors": schema.ListNestedAttribute{
				Computed:            true,
				MarkdownDescription: "The anchors that the kernel knows, those that are empty included.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"name": text("Its name."),
					"calls": schema.ListAttribute{
						Computed:            true,
						ElementType:         types.StringType,
						MarkdownDescription: "The kinds of calls that lead to it from the main ruleset, over other anchors perhaps. Empty: nobody calls it.",
					},
				}},
			},
			"dead_anchors": schema.ListAttribute{
				Computed:    true,
				ElementType: types.StringType,
				MarkdownDescription: "The names of those that hold rules which nothing evaluates, because no call of their kind leads there. `com.apple`, whose " +
					"rules are only calls, is not among them.",
			},
			"tables": schema.ListNestedAttribute{
				Computed:            true,
				MarkdownDescription: "The tables of the main ruleset, then those of each anchor.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"anchor": anchor,
					"name":   text("Its name."),
					"addresses": schema.ListAttribute{
						Computed:            true,
						ElementType:         types.StringType,
						MarkdownDescription: "Its addresses and networks, with `!` before those that are excepted.",
					},
				}},
			},
		},
	}
}

func (d *pfRulesDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var model pfRulesModel
	if resp.Diagnostics.Append(req.Config.Get(ctx, &model)...); resp.Diagnostics.HasError() {
		return
	}
	mac := d.macOf(&model.Host, req, resp)
	if mac == nil {
		return
	}
	s, err := pfctl.Look(ctx, mac)
	if err != nil {
		explain(&resp.Diagnostics, path.Root("host"), "Unable to Read the Rules of pf", err)
		return
	}
	model.Rules, model.Anchors = []pfRuleModel{}, []pfCalledModel{}
	model.DeadAnchors, model.Tables = []types.String{}, []pfFilledModel{}
	for _, r := range s.LoadedRules() {
		model.Rules = append(model.Rules, ruleOf(r))
	}
	for _, a := range s.LoadedAnchors() {
		model.Anchors = append(model.Anchors, pfCalledModel{Name: types.StringValue(a.Name), Calls: textValues(a.Calls)})
		if a.Dead {
			model.DeadAnchors = append(model.DeadAnchors, types.StringValue(a.Name))
		}
	}
	for _, t := range s.LoadedTables() {
		model.Tables = append(model.Tables, pfFilledModel{
			Anchor: textOrNull(t.Anchor), Name: types.StringValue(t.Name), Addresses: textValues(t.Addresses),
		})
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, model)...)
}

// ruleOf is a rule as configurations see it.
func ruleOf(r pfctl.LoadedRule) pfRuleModel {
	m := pfRuleModel{Anchor: textOrNull(r.Anchor), Text: types.StringValue(r.Text), Evaluated: types.BoolValue(r.Evaluated)}
	if p := r.Parts; p != nil {
		m.Action, m.Response, m.Call, m.Direction = textOrNull(p.Action), textOrNull(p.Response), textOrNull(p.Call), textOrNull(p.Direction)
		m.Quick, m.Log = types.BoolValue(p.Quick), types.BoolValue(p.Log)
		m.Interface, m.Route, m.Family, m.Proto = textOrNull(p.Interface), textOrNull(p.Route), textOrNull(p.Family), textOrNull(p.Proto)
		m.From, m.FromPort, m.To, m.ToPort = textOrNull(p.From), textOrNull(p.FromPort), textOrNull(p.To), textOrNull(p.ToPort)
		m.User, m.Group, m.Flags, m.ICMPType = textOrNull(p.User), textOrNull(p.Group), textOrNull(p.Flags), textOrNull(p.ICMPType)
		m.State, m.Label, m.Tag, m.Tagged = textOrNull(p.State), textOrNull(p.Label), textOrNull(p.Tag), textOrNull(p.Tagged)
		m.Target = textOrNull(p.Target)
	}
	return m
}

// textOrNull is null for "".
func textOrNull(s string) types.String {
	if s == "" {
		return types.StringNull()
	}
	return types.StringValue(s)
}

// textValues are never nil, which would be null.
func textValues(all []string) []types.String {
	values := make([]types.String, len(all))
	for i, s := range all {
		values[i] = types.StringValue(s)
	}
	return values
}

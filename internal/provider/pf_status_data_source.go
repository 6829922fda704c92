package provider

import (
	"context"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/macos-fleet/terraform-provider-macos/internal/pfctl"
)

var _ datasource.DataSourceWithConfigure = (*pfStatusDataSource)(nil)

// pfStatusDataSource is data.macos_pf_status: pf's own account of itself.
type pfStatusDataSource struct{ sourceOnMac }

type pfStatusModel struct {
	Host       types.String       `tfsdk:"host"`
	Enabled    types.Bool         `tfsdk:"enabled"`
	Since      types.String       `tfsdk:"since"`
	References []pfReferenceModel `tfsdk:"references"`
	States     types.Int64        `tfsdk:"states"`
	Counters   map[string]int64   `tfsdk:"counters"`
	Limits     map[string]int64   `tfsdk:"limits"`
}

type pfReferenceModel struct {
	Process types.String `tfsdk:"process"`
	PID     types.Int64  `tfsdk:"pid"`
	Token   types.String `tfsdk:"token"`
	Since   types.String `tfsdk:"since"`
	Ours    types.Bool   `tfsdk:"ours"`
}

func (d *pfStatusDataSource) Metadata(_ context.Context, _ datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = "macos_pf_status"
}

func (d *pfStatusDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "What pf says of itself: whether it is enabled and since when, who keeps it enabled, and what it has counted. " +
			"It is read from `pfctl -s info`, `-s References` and `-s memory`.",
		Attributes: map[string]schema.Attribute{
			"host": hostSourceAttribute(),
			"enabled": schema.BoolAttribute{
				Computed:            true,
				MarkdownDescription: "Whether pf is enabled. While it is not, no rule has any effect.",
			},
			"since": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "When it was last enabled or disabled, in RFC 3339, by the Mac's clock. Null: not since the Mac booted.",
			},
			"references": schema.ListNestedAttribute{
				Computed: true,
				MarkdownDescription: "Who keeps pf enabled: it stays so until the last of them gives its reference back, or somebody runs `pfctl -d`, which drops all. " +
					"One that `pfctl -e` took is nowhere to be seen.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"process": schema.StringAttribute{
						Computed:            true,
						MarkdownDescription: "Name of the program that took it, such as `pfctl` or `socketfilterfw`.",
					},
					"pid": schema.Int64Attribute{
						Computed:            true,
						MarkdownDescription: "Its process id. The process may have ended long ago.",
					},
					"token": schema.StringAttribute{
						Computed:            true,
						MarkdownDescription: "With this `pfctl -X` gives the reference back.",
					},
					"since": schema.StringAttribute{Computed: true, MarkdownDescription: "When it was taken, in RFC 3339."},
					"ours": schema.BoolAttribute{
						Computed:            true,
						MarkdownDescription: "Whether it is the one that `macos_pf` took.",
					},
				}},
			},
			"states": schema.Int64Attribute{
				Computed:            true,
				MarkdownDescription: "How many states there are: connections that pf lets through without asking the rules.",
			},
			"counters": schema.MapAttribute{
				Computed:    true,
				ElementType: types.Int64Type,
				MarkdownDescription: "What pf has counted, by pfctl's names: `searches`, `inserts` and `removals` of states, `match`, and why packets were dropped, " +
					"such as `state-mismatch` or `memory`. They change with every reading.",
			},
			"limits": schema.MapAttribute{
				Computed:            true,
				ElementType:         types.Int64Type,
				MarkdownDescription: "pf's hard limits, by pfctl's names: `states`, `tables`, `table-entries` and so on.",
			},
		},
	}
}

func (d *pfStatusDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var model pfStatusModel
	if resp.Diagnostics.Append(req.Config.Get(ctx, &model)...); resp.Diagnostics.HasError() {
		return
	}
	mac := d.macOf(&model.Host, req, resp)
	if mac == nil {
		return
	}
	s, err := pfctl.LookAtStatus(ctx, mac)
	if err != nil {
		explain(&resp.Diagnostics, path.Root("host"), "Unable to Read the Status of pf", err)
		return
	}
	model.Enabled, model.Since, model.States = types.BoolValue(s.Enabled), moment(s.Since), types.Int64Value(s.States)
	model.Counters, model.Limits = s.Counters, s.Limits
	model.References = make([]pfReferenceModel, len(s.References))
	for i, r := range s.References {
		model.References[i] = pfReferenceModel{
			Process: types.StringValue(r.Process), PID: types.Int64Value(r.PID), Token: types.StringValue(r.Token), Since: moment(r.Since),
			Ours: types.BoolValue(r.Ours),
		}
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, model)...)
}

// moment is a point in time as configurations have it; null if it is zero.
func moment(t time.Time) types.String {
	if t.IsZero() {
		return types.StringNull()
	}
	return types.StringValue(t.UTC().Format(time.RFC3339))
}

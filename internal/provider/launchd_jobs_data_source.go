package provider

import (
	"context"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/macos-fleet/terraform-provider-macos/internal/launchctl"
)

var _ datasource.DataSourceWithConfigure = (*launchdJobsDataSource)(nil)

// launchdJobsDataSource is data.macos_launchd_jobs: the jobs of a domain of launchd's.
type launchdJobsDataSource struct{ sourceOnMac }

type launchdJobsModel struct {
	Host     types.String        `tfsdk:"host"`
	Domain   types.String        `tfsdk:"domain"`
	Prefix   types.String        `tfsdk:"prefix"`
	Apple    types.Bool          `tfsdk:"apple"`
	Loaded   types.Bool          `tfsdk:"loaded"`
	Disabled types.Bool          `tfsdk:"disabled"`
	State    types.String        `tfsdk:"state"`
	Labels   types.List          `tfsdk:"labels"`
	Jobs     []launchdEntryModel `tfsdk:"jobs"`
}

func (d *launchdJobsDataSource) Metadata(_ context.Context, _ datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = "macos_launchd_jobs"
}

func (d *launchdJobsDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	attributes := launchdEntryAttributes()
	attributes["label"] = schema.StringAttribute{Computed: true, MarkdownDescription: "Label of the job."}
	only := func(description string) schema.Attribute {
		return schema.BoolAttribute{Optional: true, MarkdownDescription: description}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "The jobs of one of launchd's domains, whoever installed them: what launchd has loaded, the files that it would load at the next boot or login, and " +
			"the labels that are disabled. While a user is not logged in at the screen, `gui/UID` has none.",
		Attributes: map[string]schema.Attribute{
			"host":   hostSourceAttribute(),
			"domain": domainSourceAttribute(),
			"prefix": schema.StringAttribute{Optional: true, MarkdownDescription: "Only jobs whose labels begin with this."},
			"apple": schema.BoolAttribute{
				Optional: true,
				MarkdownDescription: "Whether the jobs of macOS itself are told as well, and the apps that run. There are hundreds, each of which launchd is asked for: that takes " +
					"seconds. Default: `false`.",
			},
			"loaded":   only("Only jobs that launchd has loaded, or only others."),
			"disabled": only("Only jobs that are disabled, or only others."),
			"state":    schema.StringAttribute{Optional: true, MarkdownDescription: "Only jobs in this state, such as `running`."},
			"labels":   schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "Labels of the jobs, sorted."},
			"jobs": schema.ListNestedAttribute{
				Computed: true, MarkdownDescription: "The jobs, sorted by label.", NestedObject: schema.NestedAttributeObject{Attributes: attributes},
			},
		},
	}
}

func (d *launchdJobsDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var model launchdJobsModel
	if resp.Diagnostics.Append(req.Config.Get(ctx, &model)...); resp.Diagnostics.HasError() {
		return
	}
	mac := d.macOf(&model.Host, req, resp)
	if mac == nil {
		return
	}
	if model.Domain.IsNull() {
		model.Domain = types.StringValue("system")
	}
	q := launchctl.Query{Domain: model.Domain.ValueString(), Prefix: model.Prefix.ValueString(), Apple: model.Apple.ValueBool()}
	entries, ok := listJobs(ctx, mac, q, &resp.Diagnostics)
	if !ok {
		return
	}
	entries = slices.DeleteFunc(slices.Clone(entries), func(e launchctl.Entry) bool { return !model.wants(e) })
	labels := []string{}
	model.Jobs = make([]launchdEntryModel, len(entries))
	for i, e := range entries {
		model.Jobs[i].observe(e)
		labels = append(labels, e.Label)
	}
	model.Labels = stringList(labels)
	resp.Diagnostics.Append(resp.State.Set(ctx, model)...)
}

// wants reports whether a job passes the filters that are not the Mac's own work.
func (m *launchdJobsModel) wants(e launchctl.Entry) bool {
	state := ""
	if e.Loaded != nil {
		state = e.Loaded.State
	}
	return (m.Loaded.IsNull() || m.Loaded.ValueBool() == (e.Loaded != nil)) &&
		(m.Disabled.IsNull() || m.Disabled.ValueBool() == e.Disabled) &&
		(m.State.IsNull() || m.State.ValueString() == state)
}

package provider

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/macos-fleet/terraform-provider-macos/internal/launchctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

var _ datasource.DataSourceWithConfigure = (*launchdJobDataSource)(nil)

// launchdJobDataSource is data.macos_launchd_job: one job of launchd's, whoever's it is, as launchd has it.
type launchdJobDataSource struct{ sourceOnMac }

type launchdJobModel struct {
	Host   types.String `tfsdk:"host"`
	Domain types.String `tfsdk:"domain"`
	launchdEntryModel
	Arguments         types.List   `tfsdk:"arguments"`
	WorkingDirectory  types.String `tfsdk:"working_directory"`
	StandardOutPath   types.String `tfsdk:"standard_out_path"`
	StandardErrorPath types.String `tfsdk:"standard_error_path"`
	UserName          types.String `tfsdk:"user_name"`
	GroupName         types.String `tfsdk:"group_name"`
	Variables         types.List   `tfsdk:"environment_names"`
	Properties        types.List   `tfsdk:"properties"`
}

// launchdEntryModel is what both data sources say of a job.
type launchdEntryModel struct {
	Label    types.String `tfsdk:"label"`
	File     types.String `tfsdk:"file"`
	Loaded   types.Bool   `tfsdk:"loaded"`
	Disabled types.Bool   `tfsdk:"disabled"`
	State    types.String `tfsdk:"state"`
	PID      types.Int64  `tfsdk:"pid"`
	Runs     types.Int64  `tfsdk:"runs"`
	LastExit types.String `tfsdk:"last_exit"`
	Type     types.String `tfsdk:"type"`
	App      types.Bool   `tfsdk:"managed_by_app"`
	Path     types.String `tfsdk:"path"`
	Program  types.String `tfsdk:"program"`
}

// observe fills in what was found.
func (m *launchdEntryModel) observe(e launchctl.Entry) {
	*m = launchdEntryModel{
		Label: types.StringValue(e.Label), File: orNull(e.File), Loaded: types.BoolValue(e.Loaded != nil), Disabled: types.BoolValue(e.Disabled),
	}
	if l := e.Loaded; l != nil {
		m.State, m.LastExit, m.Type = orNull(l.State), orNull(l.LastExit), orNull(l.Type)
		m.Path, m.Program = orNull(l.Path), orNull(l.Field("program"))
		m.Runs, m.App = types.Int64Value(int64(l.Runs)), types.BoolValue(l.ManagedBy != "")
		if l.PID != 0 {
			m.PID = types.Int64Value(int64(l.PID))
		}
	}
}

// orNull is a string that launchd did not say if it is empty.
func orNull(s string) types.String {
	if s == "" {
		return types.StringNull()
	}
	return types.StringValue(s)
}

// launchdEntryAttributes are those of launchdEntryModel but for the label.
func launchdEntryAttributes() map[string]schema.Attribute {
	text := func(description string) schema.Attribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: description}
	}
	return map[string]schema.Attribute{
		"file": text("Path of the file of this name in the folders that launchd loads into the domain: `/Library/LaunchDaemons` for `system`, " +
			"`/Library/LaunchAgents` or the user's own for `gui/UID`. Null when there is none, as for jobs that macOS brings along."),
		"loaded": schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether launchd has the job in the domain."},
		"disabled": schema.BoolAttribute{
			Computed: true, MarkdownDescription: "Whether the label was disabled, by `launchctl disable` or in System Settings, so that launchd does not load the job again.",
		},
		"state": text("What launchd says of the job, such as `running`, `not running` or `spawn scheduled`. Null, as all that follows, when it is not loaded."),
		"pid":   schema.Int64Attribute{Computed: true, MarkdownDescription: "Its process. Null when none runs."},
		"runs":  schema.Int64Attribute{Computed: true, MarkdownDescription: "How often it was started since it was loaded."},
		"last_exit": text("How its last run ended, in launchd's words: `0`, `78: EX_CONFIG` (its program could not be started), `Killed: 9`. Null when no run " +
			"has ended."),
		"type":           text("`LaunchDaemon`, `LaunchAgent`, `Submitted`, or another kind of launchd's."),
		"managed_by_app": schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether an app has registered the job with macOS, which puts it back by itself."},
		"path":           text("The file that launchd has loaded the job from, which may be another than `file`."),
		"program":        text("The program that launchd starts."),
	}
}

func (d *launchdJobDataSource) Metadata(_ context.Context, _ datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = "macos_launchd_job"
}

// domainSourceAttribute is `domain` of both data sources.
func domainSourceAttribute() schema.StringAttribute {
	return schema.StringAttribute{
		Optional: true, Computed: true,
		Validators: []validator.String{named{what: "Domain", check: launchctl.CheckDomain}},
		MarkdownDescription: "The domain of launchd's that is asked: `system`, where daemons are; `gui/UID`, where the agents of a user are who is logged in at the screen; " +
			"`user/UID`, where those are that need no screen. Default: `system`.",
	}
}

func (d *launchdJobDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	attributes := launchdEntryAttributes()
	text := func(description string) schema.Attribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: description}
	}
	texts := func(description string) schema.Attribute {
		return schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: description}
	}
	attributes["host"], attributes["domain"] = hostSourceAttribute(), domainSourceAttribute()
	attributes["label"] = schema.StringAttribute{
		Required: true, Validators: []validator.String{stringvalidator.LengthBetween(1, 1000)}, MarkdownDescription: "Label of the job.",
	}
	attributes["arguments"] = texts("Its argument vector. launchd prints one argument a line, so one with newlines in it looks like several.")
	attributes["working_directory"] = text("The folder that it starts in.")
	attributes["standard_out_path"] = text("The file that its standard output is appended to.")
	attributes["standard_error_path"] = text("The file that its standard error is appended to.")
	attributes["user_name"] = text("The user that it runs as, if its property list says so.")
	attributes["group_name"] = text("The group that it runs as, if its property list says so.")
	attributes["environment_names"] = texts("The names of the variables that its property list gives it. Their values may be secrets, and are not read.")
	attributes["properties"] = texts("launchd's own words for what else it knows, such as `keepalive`, `runatload` and `penalty box`.")
	resp.Schema = schema.Schema{
		MarkdownDescription: "One job of launchd's, whoever installed it, as launchd has it: not what its file says, but what runs. A job that is not there is no error.",
		Attributes:          attributes,
	}
}

func (d *launchdJobDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var model launchdJobModel
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
	label := model.Label.ValueString()
	entries, ok := listJobs(ctx, mac, launchctl.Query{Domain: model.Domain.ValueString(), Label: label}, &resp.Diagnostics)
	if !ok {
		return
	}
	e := entries[0]
	model.observe(e)
	model.Arguments, model.Variables, model.Properties = stringList(nil), stringList(nil), stringList(nil)
	if l := e.Loaded; l != nil {
		model.Arguments, model.Variables, model.Properties = stringList(l.Arguments()), stringList(l.Variables()), stringList(l.Properties())
		model.UserName, model.GroupName = orNull(l.Field("username")), orNull(l.Field("group"))
		model.WorkingDirectory = orNull(l.Field("working directory"))
		model.StandardOutPath, model.StandardErrorPath = orNull(l.Field("stdout path")), orNull(l.Field("stderr path"))
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, model)...)
}

// listJobs asks launchd; ok is false when it could not be asked, which was said. A user who is not logged in has no jobs.
func listJobs(ctx context.Context, mac *remote.Host, q launchctl.Query, diags *diag.Diagnostics) (entries []launchctl.Entry, ok bool) {
	entries, err := launchctl.List(ctx, mac, q)
	switch {
	case errors.Is(err, launchctl.ErrNoDomain) && q.Label != "":
		return []launchctl.Entry{{Label: q.Label}}, true
	case errors.Is(err, launchctl.ErrNoDomain):
		return nil, true
	case err != nil:
		explain(diags, path.Root("domain"), fmt.Sprintf("Unable to List the launchd Jobs of %s", q.Domain), err)
		return nil, false
	}
	return entries, true
}

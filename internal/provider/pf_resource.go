package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/macos-fleet/terraform-provider-macos/internal/pfctl"
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
	Host    types.String `tfsdk:"host"`
	AtBoot  types.Bool   `tfsdk:"at_boot"`
	Enabled types.Bool   `tfsdk:"enabled"`
	Drift   types.List   `tfsdk:"drift"`
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
				MarkdownDescription: "Whether a launchd job takes the reference again at boot, and loads the anchors under `com.apple/` that " +
					"`macos_pf_anchor` manages (those of other names are loaded by lines in `/etc/pf.conf`). Default: `true`.",
			},
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

func (r *pfResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	resource.ImportStatePassthroughWithIdentity(ctx, path.Root("host"), path.Root("host"), req, resp)
}

func (r *pfResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
}

func (r *pfResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
}

func (r *pfResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
}

func (r *pfResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
}

func (r *pfResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	_ = pfctl.BootScript
}

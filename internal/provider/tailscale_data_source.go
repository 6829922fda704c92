package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/macos-fleet/terraform-provider-macos/internal/sysfacts"
)

var _ datasource.DataSourceWithConfigure = (*tailscaleDataSource)(nil)

// tailscaleDataSource is data.macos_tailscale: which Tailscale a Mac has, and how it reaches its peers.
type tailscaleDataSource struct{ sourceOnMac }

type tailscaleModel struct {
	Host      types.String   `tfsdk:"host"`
	Installed types.Bool     `tfsdk:"installed"`
	Variant   types.String   `tfsdk:"variant"`
	Version   types.String   `tfsdk:"version"`
	State     types.String   `tfsdk:"state"`
	HostName  types.String   `tfsdk:"hostname"`
	DNSName   types.String   `tfsdk:"dns_name"`
	Addresses []types.String `tfsdk:"addresses"`
	SSH       types.Bool     `tfsdk:"ssh"`
	KeyExpiry types.String   `tfsdk:"key_expiry"`
	Peers     []peerModel    `tfsdk:"peers"`
}

type peerModel struct {
	HostName  types.String   `tfsdk:"hostname"`
	DNSName   types.String   `tfsdk:"dns_name"`
	OS        types.String   `tfsdk:"os"`
	Addresses []types.String `tfsdk:"addresses"`
	Online    types.Bool     `tfsdk:"online"`
	Path      types.String   `tfsdk:"path"`
	Endpoint  types.String   `tfsdk:"endpoint"`
	Relay     types.String   `tfsdk:"derp"`
}

func (d *tailscaleDataSource) Metadata(_ context.Context, _ datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = "macos_tailscale"
}

func (d *tailscaleDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	text := func(description string) schema.StringAttribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: description}
	}
	texts := func(description string) schema.ListAttribute {
		return schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: description}
	}
	boolean := func(description string) schema.BoolAttribute {
		return schema.BoolAttribute{Computed: true, MarkdownDescription: description}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "Tailscale on a Mac: which one it is, whether it is up, and how it reaches its peers. A Mac without it has `installed = false`, which is no error. " +
			"Where nothing answers, what is not known is null.\n\n" +
			"The Mac's own `tailscale` program is asked (`status --json`, and `debug prefs` of the daemon), for ten seconds at most. Versions of the app from 2022 were " +
			"reported to drop the tunnel when their program was run over SSH: with one that old, leave this data source out.",
		Attributes: map[string]schema.Attribute{
			"host":      hostSourceAttribute(),
			"installed": boolean("Whether there is one."),
			"variant": text("`app-store` or `standalone`, the apps, which are up while their user is logged in at the screen and not before; or `tailscaled`, the open-source " +
				"daemon, which is up when the Mac has started. They are looked for in /Applications, /usr/local/bin, /opt/homebrew/bin and /opt/local/bin."),
			"version":   text("Its version, such as `1.102.2`."),
			"state":     text("The state of its backend: `Running`, `Stopped`, `NeedsLogin`, `NeedsMachineAuth`, `Starting` or `NoState`. Null: nothing answers."),
			"hostname":  text("The Mac's name, as it tells it to the tailnet."),
			"dns_name":  text("Its name in the tailnet's DNS, without a dot at the end."),
			"addresses": texts("Its addresses in the tailnet."),
			"ssh": boolean("Whether Tailscale's own SSH server answers port 22 of these addresses. What comes there then reaches neither the kernel nor pf nor sshd: no rule " +
				"of pf's, and no setting of sshd's, has a say, but only the tailnet's policy. The apps have no such server. Null: not known."),
			"key_expiry": text("When the Mac leaves the tailnet unless somebody logs it in again, in RFC 3339. Null: never, or not known."),
			"peers": schema.ListNestedAttribute{
				Computed:            true,
				MarkdownDescription: "The other machines of the tailnet, by `dns_name`.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"hostname":  text("Its name, as it tells it to the tailnet."),
					"dns_name":  text("Its name in the tailnet's DNS."),
					"os":        text("Its system, such as `macOS` or `linux`."),
					"addresses": texts("Its addresses in the tailnet."),
					"online":    boolean("Whether it is online."),
					"path": text("How packets get there: `direct`; `peer-relay`, through a relay of the tailnet's own; or `derp`, through one of Tailscale's. Null: none were sent " +
						"lately, so that there is none."),
					"endpoint": text("The address and port that they are sent to: of the peer, or of the relay among the peers."),
					"derp":     text("The region of Tailscale's relays that it is reached through where there is no better path, such as `fra`."),
				}},
			},
		},
	}
}

func (d *tailscaleDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var model tailscaleModel
	if resp.Diagnostics.Append(req.Config.Get(ctx, &model)...); resp.Diagnostics.HasError() {
		return
	}
	mac := d.macOf(&model.Host, req, resp)
	if mac == nil {
		return
	}
	t, err := sysfacts.LookAtTailscale(ctx, mac)
	if err != nil {
		explain(&resp.Diagnostics, path.Root("host"), "Unable to Read Tailscale", err)
		return
	}
	model.Installed = types.BoolValue(t.Variant != sysfacts.NoTailscale)
	model.Variant, model.Version = textOrNull(string(t.Variant)), textOrNull(t.Version)
	model.State, model.HostName, model.DNSName = textOrNull(t.State), textOrNull(t.HostName), textOrNull(t.DNSName)
	model.SSH, model.KeyExpiry = types.BoolPointerValue(t.SSH), moment(t.KeyExpiry)
	if model.Addresses, model.Peers = addressValues(t.Addrs), make([]peerModel, len(t.Peers)); t.State == "" {
		model.Addresses, model.Peers = nil, nil
	}
	for i, p := range t.Peers {
		model.Peers[i] = peerModel{
			HostName: textOrNull(p.HostName), DNSName: textOrNull(p.DNSName), OS: textOrNull(p.OS), Addresses: addressValues(p.Addrs),
			Online: types.BoolValue(p.Online), Path: textOrNull(string(p.Path)), Endpoint: textOrNull(p.Endpoint), Relay: textOrNull(p.Relay),
		}
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, model)...)
}

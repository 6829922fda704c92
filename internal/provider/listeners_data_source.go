package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
	"github.com/macos-fleet/terraform-provider-macos/internal/sysfacts"
)

var _ datasource.DataSourceWithConfigure = (*listenersDataSource)(nil)

// listenersDataSource is data.macos_listeners: who listens on a Mac, and where.
type listenersDataSource struct{ sourceOnMac }

type listenersModel struct {
	Host      types.String    `tfsdk:"host"`
	Listeners []listenerModel `tfsdk:"listeners"`
}

type listenerModel struct {
	Protocol  types.String `tfsdk:"protocol"`
	Address   types.String `tfsdk:"address"`
	Port      types.Int64  `tfsdk:"port"`
	Interface types.String `tfsdk:"interface"`
	Exposed   types.Bool   `tfsdk:"exposed"`
	Process   types.String `tfsdk:"process"`
	PID       types.Int64  `tfsdk:"pid"`
	User      types.String `tfsdk:"user"`
	Launchd   types.Bool   `tfsdk:"launchd"`
}

func (d *listenersDataSource) Metadata(_ context.Context, _ datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = "macos_listeners"
}

func (d *listenersDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	text := func(description string) schema.StringAttribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: description}
	}
	boolean := func(description string) schema.BoolAttribute {
		return schema.BoolAttribute{Computed: true, MarkdownDescription: description}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "Who listens on a Mac, and where, as `lsof` tells it. So that a `check` can say what must not be exposed, whatever turned it on.\n\n" +
			"Not seen are sockets that the kernel holds by itself, as for a file server (NFS), and port 22 of the tailnet where Tailscale's own SSH server " +
			"answers it (see `macos_tailscale`). What a firewall lets through is another matter: `macos_port_probe` asks from outside.",
		Attributes: map[string]schema.Attribute{
			"host": hostSourceAttribute(),
			"listeners": schema.ListNestedAttribute{
				Computed: true,
				MarkdownDescription: "The open ports, each once for each process that holds it, by port: those of TCP that are listened on, and those of UDP that are not connected to " +
					"one other end. Programs open ports of UDP for moments, to ask something: these come and go.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"protocol": text("`tcp` or `udp`."),
					"address":  text("The address that it is open on. `*`: all that the Mac has, of IPv4, IPv6 or both."),
					"port":     schema.Int64Attribute{Computed: true, MarkdownDescription: "The port."},
					"interface": text("The interface that has this address. Null: it is open on all. A program can bind a socket to an interface beyond its address; that is not " +
						"seen."),
					"exposed": boolean("Whether it is open on all addresses, or on one of the Internet. Not exposed are those on loopback, on private networks, and on the tailnet."),
					"process": text("The name of the process, which the kernel keeps short. For a port that launchd holds until somebody comes, `launchd`."),
					"pid":     schema.Int64Attribute{Computed: true, MarkdownDescription: "Its process id."},
					"user":    text("The user that it runs as."),
					"launchd": boolean("Whether launchd holds this port, for a job that it starts when somebody comes. So it is with Remote Login (22) and Screen Sharing (5900), which " +
						"are therefore open on all addresses, whatever `ListenAddress` in sshd_config says."),
				}},
			},
		},
	}
}

func (d *listenersDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var model listenersModel
	if resp.Diagnostics.Append(req.Config.Get(ctx, &model)...); resp.Diagnostics.HasError() {
		return
	}
	mac := d.macOf(&model.Host, req, resp)
	if mac == nil {
		return
	}
	listeners, network, err := remote.Both(ctx, mac, sysfacts.LookAtListeners, sysfacts.LookAtNetwork)
	if err != nil {
		explain(&resp.Diagnostics, path.Root("host"), "Unable to Read Who Listens", err)
		return
	}
	model.Listeners = make([]listenerModel, len(listeners))
	for i, l := range listeners {
		address := "*"
		if l.Addr.IsValid() {
			address = l.Addr.String()
		}
		model.Listeners[i] = listenerModel{
			Protocol: types.StringValue(l.Protocol), Address: types.StringValue(address), Port: types.Int64Value(int64(l.Port)),
			Interface: textOrNull(l.Interface(network)), Exposed: types.BoolValue(l.Exposed()),
			Process: textOrNull(l.Process), PID: types.Int64Value(int64(l.PID)), User: textOrNull(l.User), Launchd: types.BoolValue(l.Launchd),
		}
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, model)...)
}

package provider

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
	"github.com/macos-fleet/terraform-provider-macos/internal/sysfacts"
)

var _ datasource.DataSourceWithConfigure = (*hostDataSource)(nil)

// hostDataSource is data.macos_host: what a Mac is, and how it is connected.
type hostDataSource struct{ sourceOnMac }

type hostSourceModel struct {
	Host              types.String     `tfsdk:"host"`
	Model             types.String     `tfsdk:"model"`
	Chip              types.String     `tfsdk:"chip"`
	Architecture      types.String     `tfsdk:"architecture"`
	Version           types.String     `tfsdk:"macos_version"`
	Build             types.String     `tfsdk:"macos_build"`
	BootTime          types.String     `tfsdk:"boot_time"`
	ComputerName      types.String     `tfsdk:"computer_name"`
	LocalHostName     types.String     `tfsdk:"local_hostname"`
	HostName          types.String     `tfsdk:"hostname"`
	User              types.String     `tfsdk:"user"`
	SSH               *sshPathModel    `tfsdk:"ssh"`
	Interfaces        []interfaceModel `tfsdk:"interfaces"`
	DefaultInterface  types.String     `tfsdk:"default_interface"`
	DefaultInterfaces []types.String   `tfsdk:"default_interfaces"`
	TailnetInterface  types.String     `tfsdk:"tailnet_interface"`
	PublicAddresses   []types.String   `tfsdk:"public_addresses"`
	FileVault         types.Bool       `tfsdk:"filevault"`
	SIP               types.Bool       `tfsdk:"sip"`
	SleepDisabled     types.Bool       `tfsdk:"sleep_disabled"`
	Power             *powerModel      `tfsdk:"power"`
	SleepWarnings     []types.String   `tfsdk:"sleep_warnings"`
}

type sshPathModel struct {
	Client    types.String `tfsdk:"client_address"`
	Server    types.String `tfsdk:"server_address"`
	Port      types.Int64  `tfsdk:"server_port"`
	Interface types.String `tfsdk:"interface"`
}

type interfaceModel struct {
	Name      types.String   `tfsdk:"name"`
	MAC       types.String   `tfsdk:"mac"`
	Up        types.Bool     `tfsdk:"up"`
	Addresses []types.String `tfsdk:"addresses"`
}

type powerModel struct {
	AC      *powerSourceModel `tfsdk:"ac"`
	Battery *powerSourceModel `tfsdk:"battery"`
	UPS     *powerSourceModel `tfsdk:"ups"`
}

type powerSourceModel struct {
	Sleep         types.Int64 `tfsdk:"sleep"`
	DiskSleep     types.Int64 `tfsdk:"disksleep"`
	Standby       types.Bool  `tfsdk:"standby"`
	WakeOnLAN     types.Bool  `tfsdk:"womp"`
	AutoRestart   types.Bool  `tfsdk:"autorestart"`
	PowerNap      types.Bool  `tfsdk:"powernap"`
	TCPKeepAlive  types.Bool  `tfsdk:"tcpkeepalive"`
	TTYsKeepAwake types.Bool  `tfsdk:"ttyskeepawake"`
}

func (d *hostDataSource) Metadata(_ context.Context, _ datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = "macos_host"
}

func (d *hostDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	text := func(description string) schema.StringAttribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: description}
	}
	texts := func(description string) schema.ListAttribute {
		return schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: description}
	}
	boolean := func(description string) schema.BoolAttribute {
		return schema.BoolAttribute{Computed: true, MarkdownDescription: description}
	}
	number := func(description string) schema.Int64Attribute {
		return schema.Int64Attribute{Computed: true, MarkdownDescription: description}
	}
	source := func(description string) schema.SingleNestedAttribute {
		return schema.SingleNestedAttribute{
			Computed:            true,
			MarkdownDescription: description + " Null: it has none. A setting that the Mac does not have is null.",
			Attributes: map[string]schema.Attribute{
				"sleep":         number("After how many minutes without use it sleeps; 0: never."),
				"disksleep":     number("After how many minutes disks stop; 0: never."),
				"standby":       boolean("Whether it hibernates after some hours of sleep."),
				"womp":          boolean("Whether a magic packet of the local network wakes it. What comes over a tailnet does not."),
				"autorestart":   boolean("Whether it starts again after a power failure."),
				"powernap":      boolean("Whether it wakes for moments to look for mail and updates, and is seen on the network then."),
				"tcpkeepalive":  boolean("Whether it keeps TCP connections alive while it sleeps, for Apple's services."),
				"ttyskeepawake": boolean("Whether a session with a terminal keeps it awake. Those of this provider have none."),
			},
		}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "What a Mac is: its model, its macOS, its interfaces and addresses, and whether it stays reachable. What cannot be read on it is null, and no " +
			"error. What changes from minute to minute, such as load, is left out.",
		Attributes: map[string]schema.Attribute{
			"host":          hostSourceAttribute(),
			"model":         text("Its model identifier, such as `Mac14,3`; `VirtualMac2,1` for a virtual machine."),
			"chip":          text("Its chip, such as `Apple M2`."),
			"architecture":  text("`arm64` or `x86_64`."),
			"macos_version": text("The version of macOS, such as `15.6`; `13.3.1 (a)` with a rapid security response."),
			"macos_build":   text("Its build, such as `24G84`."),
			"boot_time": text("When it was started, in RFC 3339, by the Mac's clock. It moves a little when that is set, so compare it with a margin and " +
				"let nothing be replaced for it."),
			"computer_name":  text("Its name as people see it."),
			"local_hostname": text("Its name in the local network, without `.local`."),
			"hostname":       text("The host name that was set. Null on most Macs, which take one from the network."),
			"user":           text("Who logs in there for this provider, before sudo."),
			"ssh": schema.SingleNestedAttribute{
				Computed:            true,
				MarkdownDescription: "The way that this provider's connection takes, as the Mac sees it. Null: it does not say.",
				Attributes: map[string]schema.Attribute{
					"client_address": text("Where it comes from: this machine, or what is last in between, such as a jump host."),
					"server_address": text("Which of the Mac's addresses it goes to."),
					"server_port":    number("Which port it goes to there."),
					"interface":      text("The interface that has this address. Rules that block what comes in there would cut the connection."),
				},
			},
			"interfaces": schema.ListNestedAttribute{
				Computed:            true,
				MarkdownDescription: "Its network interfaces, in the order of `ifconfig`.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"name": text("Its name, such as `en0`. The number of a `utun` is another after each start."),
					"mac":  text("Its Ethernet address. Null: it has none."),
					"up":   boolean("Whether it is up. That says nothing of a cable or a network."),
					"addresses": texts("Its addresses with the lengths of their prefixes, such as `192.168.1.10/24`; those of IPv6 that macOS makes for privacy, which " +
						"change each day, among them."),
				}},
			},
			"default_interface": text("The interface that the default route leads out of, that of IPv4 if there is one: the first of `default_interfaces`. A VPN can take all " +
				"traffic without being it, by two narrower routes."),
			"default_interfaces": texts("All interfaces that default routes lead out of. macOS has one for each network with a router, and takes the first for what is not bound to " +
				"another: a rule for one interface leaves the others open."),
			"tailnet_interface": text("The interface that leads to the tailnet, told by its address (in `100.64.0.0/10` or `fd7a:115c:a1e0::/48`), never by its name. Null: Tailscale " +
				"is not up, or not installed."),
			"public_addresses": texts("The addresses of the Internet that the Mac itself has. Without a firewall, everybody reaches what listens there. Those that a router before " +
				"it has are not among them."),
			"filevault":      boolean("Whether FileVault is on: after a restart, the Mac answers nobody before its disk is unlocked."),
			"sip":            boolean("Whether System Integrity Protection is on. Null also where it is so in part."),
			"sleep_disabled": boolean("Whether all sleep is disabled (`pmset disablesleep 1`), whatever `power` says."),
			"power": schema.SingleNestedAttribute{
				Computed:            true,
				MarkdownDescription: "The power settings that decide whether the Mac can be reached, by pmset's names (`pmset -g custom`). Null: it does not tell.",
				Attributes: map[string]schema.Attribute{
					"ac":      source("With a power adapter."),
					"battery": source("On its battery."),
					"ups":     source("On a battery that is between it and the socket."),
				},
			},
			"sleep_warnings": texts("Which of these settings can make the Mac vanish from the network, in sentences. Empty: none. Null: not known."),
		},
	}
}

func (d *hostDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var model hostSourceModel
	// What is computed is not known yet, so that only host can be taken.
	if resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("host"), &model.Host)...); resp.Diagnostics.HasError() {
		return
	}
	mac := d.macOf(&model.Host, req, resp)
	if mac == nil {
		return
	}
	host, network, err := remote.Both(ctx, mac, sysfacts.LookAtHost, sysfacts.LookAtNetwork)
	if err != nil {
		explain(&resp.Diagnostics, path.Root("host"), "Unable to Read What the Mac Is", err)
		return
	}
	model.observe(host)
	model.connect(network)
	resp.Diagnostics.Append(resp.State.Set(ctx, model)...)
}

// observe fills in what the Mac is.
func (m *hostSourceModel) observe(host *sysfacts.Host) {
	m.Model, m.Chip, m.Architecture = textOrNull(host.Model), textOrNull(host.Chip), textOrNull(host.Architecture)
	m.Version, m.Build, m.BootTime = textOrNull(host.Version), textOrNull(host.Build), moment(host.Boot)
	m.ComputerName, m.LocalHostName, m.HostName = textOrNull(host.ComputerName), textOrNull(host.LocalHostName), textOrNull(host.HostName)
	m.User = textOrNull(host.User)
	m.FileVault, m.SIP = types.BoolPointerValue(host.FileVault), types.BoolPointerValue(host.SIP)
	if len(host.Power) == 0 {
		return
	}
	m.Power = &powerModel{
		AC: powerSourceOf(host.Power["AC Power"]), Battery: powerSourceOf(host.Power["Battery Power"]),
		UPS: powerSourceOf(host.Power["UPS Power"]),
	}
	// pmset shows it where it is disabled, and elsewhere it may.
	m.SleepDisabled = types.BoolValue(host.Power["System-wide power settings"]["SleepDisabled"] == "1")
	m.SleepWarnings = textValues(m.sleepWarnings())
}

// powerSourceOf is nil when there are no settings.
func powerSourceOf(settings map[string]string) *powerSourceModel {
	if settings == nil {
		return nil
	}
	number := func(name string) types.Int64 {
		n, err := strconv.ParseInt(settings[name], 10, 64)
		if err != nil {
			return types.Int64Null()
		}
		return types.Int64Value(n)
	}
	boolean := func(name string) types.Bool {
		if n := number(name); !n.IsNull() {
			return types.BoolValue(n.ValueInt64() != 0)
		}
		return types.BoolNull()
	}
	return &powerSourceModel{
		Sleep: number("sleep"), DiskSleep: number("disksleep"), Standby: boolean("standby"), WakeOnLAN: boolean("womp"),
		AutoRestart: boolean("autorestart"), PowerNap: boolean("powernap"), TCPKeepAlive: boolean("tcpkeepalive"),
		TTYsKeepAwake: boolean("ttyskeepawake"),
	}
}

// sleepWarnings are the settings that make a server vanish. An SSH session that has no terminal does not keep a Mac awake.
func (m *hostSourceModel) sleepWarnings() []string {
	var all []string
	for _, s := range []struct {
		settings *powerSourceModel
		on       string
		option   string
	}{{m.Power.AC, "With a power adapter", "-c"}, {m.Power.Battery, "On its battery", "-b"}, {m.Power.UPS, "On its UPS", "-u"}} {
		if s.settings == nil {
			continue
		}
		if n := s.settings.Sleep.ValueInt64(); n > 0 && !m.SleepDisabled.ValueBool() {
			all = append(all, fmt.Sprintf("%s, it sleeps when nobody has used it for %s, and then answers nothing: sudo pmset %s sleep 0", s.on, minutes(n), s.option))
		}
		if restart := s.settings.AutoRestart; !restart.IsNull() && !restart.ValueBool() && s.option == "-c" {
			all = append(all, "After a power failure, it stays off: sudo pmset -a autorestart 1")
		}
	}
	return all
}

func minutes(n int64) string {
	if n == 1 {
		return "a minute"
	}
	return fmt.Sprintf("%d minutes", n)
}

// connect fills in how the Mac is connected.
func (m *hostSourceModel) connect(n *sysfacts.Network) {
	for _, i := range n.Interfaces {
		known := interfaceModel{Name: types.StringValue(i.Name), MAC: textOrNull(i.MAC), Up: types.BoolValue(i.Up), Addresses: []types.String{}}
		for _, a := range i.Addrs {
			known.Addresses = append(known.Addresses, types.StringValue(a.Prefix.String()))
		}
		m.Interfaces = append(m.Interfaces, known)
	}
	if len(n.Interfaces) > 0 {
		m.TailnetInterface, m.PublicAddresses = textOrNull(n.Tailnet()), addressValues(n.PublicAddrs())
	}
	if len(n.Interfaces) > 0 && n.Ways != nil {
		names := n.DefaultInterfaces()
		if m.DefaultInterfaces = textValues(names); len(names) > 0 {
			m.DefaultInterface = types.StringValue(names[0])
		}
	}
	if n.Client.IsValid() && n.Server.IsValid() {
		m.SSH = &sshPathModel{
			Client: types.StringValue(n.Client.Addr().String()), Server: types.StringValue(n.Server.Addr().WithZone("").String()),
			Port: types.Int64Value(int64(n.Server.Port())), Interface: textOrNull(n.InterfaceOf(n.Server.Addr())),
		}
	}
}

// addressValues are never nil, which would be null.
func addressValues(addrs []netip.Addr) []types.String {
	values := make([]types.String, len(addrs))
	for i, a := range addrs {
		values[i] = types.StringValue(a.String())
	}
	return values
}

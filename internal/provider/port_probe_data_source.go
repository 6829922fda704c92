package provider

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/macos-fleet/terraform-provider-macos/internal/probe"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
	"github.com/macos-fleet/terraform-provider-macos/internal/sysfacts"
)

var _ datasource.DataSourceWithConfigure = (*portProbeDataSource)(nil)

// portProbeDataSource is data.macos_port_probe: which ports of a Mac answer, seen from here or from another Mac.
type portProbeDataSource struct{ sourceOnMac }

type portProbeModel struct {
	Host         types.String `tfsdk:"host"`
	Address      types.String `tfsdk:"address"`
	Ports        types.List   `tfsdk:"ports"`
	From         types.String `tfsdk:"from"`
	AllowForeign types.Bool   `tfsdk:"allow_foreign_address"`
	Parallel     types.Int64  `tfsdk:"parallel"`
	Timeout      types.String `tfsdk:"timeout"`
	TimeLimit    types.String `tfsdk:"time_limit"`
	IP           types.String `tfsdk:"ip"`
	Open         types.List   `tfsdk:"open"`
	Closed       types.List   `tfsdk:"closed"`
	Filtered     types.List   `tfsdk:"filtered"`
	Summary      types.String `tfsdk:"summary"`
}

// What holds when nothing else is said.
const (
	probeParallel  = 128
	probeTimeout   = 2 * time.Second
	probeTimeLimit = 2 * time.Minute
	// fromParallel is the most that are asked at a time from another Mac, where each is a process.
	fromParallel = 32
)

func (d *portProbeDataSource) Metadata(_ context.Context, _ datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = "macos_port_probe"
}

func (d *portProbeDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	ports := func(description string) schema.ListAttribute {
		return schema.ListAttribute{Computed: true, ElementType: types.Int64Type, MarkdownDescription: description}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "Which TCP ports of a Mac answer: from the machine that runs Terraform, or from another Mac. It connects to each and hangs up, in every " +
			"plan. That is what rules come to in the end, for whoever stands where the question is asked from.\n\n" +
			"A Mac that is switched off looks like one whose ports are all filtered. Ports of UDP cannot be asked.",
		Attributes: map[string]schema.Attribute{
			"host": hostSourceAttribute(),
			"address": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "Which of the Mac's addresses is asked: an IP address or a name. Default: the one at which this provider reaches it. Unless it is that, " +
					"the Mac must have it on one of its interfaces.",
			},
			"ports": schema.ListAttribute{
				Required:            true,
				ElementType:         types.StringType,
				Validators:          []validator.List{listvalidator.SizeAtLeast(1), listvalidator.ValueStringsAre(portsText{})},
				MarkdownDescription: "The ports, and ranges of them: `[22, \"5900-5902\"]`, or `[\"1-65535\"]`.",
			},
			"from": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "The Mac from which to ask, by its name in the provider's `hosts`: with its `nc`, over SSH. Default: the machine that runs Terraform. Whether " +
					"anything listens at all is seen from the Mac itself, at `127.0.0.1`.",
			},
			"allow_foreign_address": schema.BoolAttribute{
				Optional: true,
				MarkdownDescription: "Whether `address` may be one that the Mac does not have itself, such as that of a router which forwards to it. To ask the ports of " +
					"machines that are not yours may be against the law. Default: `false`.",
			},
			"parallel": schema.Int64Attribute{
				Optional:            true,
				Validators:          []validator.Int64{int64validator.Between(1, 1024)},
				MarkdownDescription: fmt.Sprintf("How many ports are asked at the same time. Default: %d. From another Mac no more than %d are.", probeParallel, fromParallel),
			},
			"timeout": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "How long to wait for each port's answer, such as `500ms`; in whole seconds from another Mac. Default: `2s`.",
			},
			"time_limit": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "How long all of it may take; what is not finished then is an error. Default: `2m`. A port that is filtered takes all of `timeout`, so " +
					"that all 65535 of a Mac need 18 minutes.",
			},
			"ip":       schema.StringAttribute{Computed: true, MarkdownDescription: "The IP address that was asked."},
			"open":     ports("The ports to which a connection could be made."),
			"closed":   ports("The ports that said that nobody listens there: they can be reached."),
			"filtered": ports("The ports that said nothing in time, or that they cannot be reached."),
			"summary": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "The same in a few words, for messages: `open 22; filtered 1-21, 23-1024`.",
			},
		},
	}
}

// portsText accepts a port or a range of ports.
type portsText struct{}

func (portsText) Description(context.Context) string { return "must be a port or a range of ports" }

func (v portsText) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (portsText) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if _, err := probe.ParsePorts([]string{req.ConfigValue.ValueString()}); err != nil {
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid Port", capitalized(err.Error())+".")
	}
}

func (d *portProbeDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var model portProbeModel
	if resp.Diagnostics.Append(req.Config.Get(ctx, &model)...); resp.Diagnostics.HasError() {
		return
	}
	ports, err := probe.ParsePorts(stringsOf(model.Ports))
	if err != nil {
		resp.Diagnostics.AddAttributeError(path.Root("ports"), "Invalid Port", capitalized(err.Error())+".")
	}
	limit := positive(duration(model.TimeLimit, path.Root("time_limit"), &resp.Diagnostics), probeTimeLimit)
	o := probe.Options{Timeout: positive(duration(model.Timeout, path.Root("timeout"), &resp.Diagnostics), probeTimeout), Parallel: probeParallel}
	if n := model.Parallel.ValueInt64(); n > 0 {
		o.Parallel = int(n)
	}
	mac := d.macOf(&model.Host, req, resp)
	var from *remote.Host
	if !model.From.IsNull() {
		from, o.Parallel = d.macFrom(model.From, &resp.Diagnostics), min(o.Parallel, fromParallel)
	}
	if mac == nil || resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	addr := target(ctx, mac, from, model, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	o.Progress = progress(ctx, mac.Name(), addr, len(ports))
	var got probe.Ports
	if from != nil {
		got, err = probe.ScanFrom(ctx, from, addr, ports, o)
	} else {
		got, err = probe.Scan(ctx, addr, ports, o)
	}
	if err != nil {
		explainProbe(&resp.Diagnostics, mac.Name(), addr, from, limit, err)
		return
	}
	model.IP, model.Summary = types.StringValue(addr.String()), types.StringValue(summaryOf(got))
	model.Open, model.Closed, model.Filtered = portList(got.Open), portList(got.Closed), portList(got.Filtered)
	resp.Diagnostics.Append(resp.State.Set(ctx, model)...)
}

// macFrom is the Mac to ask from. Nil is always an error.
func (d *portProbeDataSource) macFrom(name types.String, diags *diag.Diagnostics) *remote.Host {
	h, known := d.inventory.macs[name.ValueString()]
	switch {
	case !known && !d.inventory.open:
		diags.AddAttributeError(path.Root("from"), fmt.Sprintf("Unknown Mac %q", name.ValueString()),
			"The provider block has no Mac of this name. "+d.inventory.list())
	case h == nil:
		diags.AddAttributeError(path.Root("from"), "The Mac Is Not Known Yet", "How to reach it depends on something that is known only after an apply.")
	}
	return h
}

// target is the address to ask. One that the configuration names must be the Mac's own, unless it says that it knows better.
func target(ctx context.Context, mac, from *remote.Host, model portProbeModel, diags *diag.Diagnostics) (addr netip.Addr) {
	at := path.Root("address")
	own, err := mac.Address(ctx)
	if err != nil {
		explain(diags, path.Root("host"), "Unable to Find the Address of a Mac", err)
		return addr
	}
	name := own
	if !model.Address.IsNull() {
		name = model.Address.ValueString()
	}
	if addr, err = probe.Resolve(ctx, name); err != nil {
		diags.AddAttributeError(at, "Unknown Address", fmt.Sprintf("%q, for the ports of %s, stands for no IP address here:\n\n%s\n\nSet address to one that does.",
			name, mac.Name(), indent(err.Error())))
		return addr
	}
	if name == own || model.AllowForeign.ValueBool() {
		return addr
	}
	if known, err := probe.Resolve(ctx, own); err == nil && known == addr {
		return addr
	}
	network, err := sysfacts.LookAtNetwork(ctx, mac)
	if err != nil {
		explain(diags, at, fmt.Sprintf("Unable to Tell Whether %s Is an Address of %s", addr, mac.Name()), err)
		return addr
	}
	var has []string
	for _, i := range network.Interfaces {
		for _, a := range i.Addrs {
			itself := from != nil && from.Name() == mac.Name()
			if ip := a.Addr(); itself || !ip.IsLoopback() && !ip.IsLinkLocalUnicast() {
				has = append(has, ip.String())
			}
		}
	}
	if !slices.Contains(has, addr.String()) {
		diags.AddAttributeError(at, fmt.Sprintf("%s Is Not an Address of %s", addr, mac.Name()), fmt.Sprintf("Nobody is asked whose address may be somebody else's. %s has: %s.\n\n"+
			"If it is known that %s leads to this Mac, as through a router that forwards, set allow_foreign_address = true.",
			mac.Name(), strings.Join(has, ", "), addr))
	}
	return addr
}

// progress is told how many ports have been asked, and logs that once a second.
func progress(ctx context.Context, mac string, addr netip.Addr, of int) func(done int) {
	said := time.Now()
	return func(done int) {
		if done == of || time.Since(said) >= time.Second {
			said = time.Now()
			tflog.Info(ctx, fmt.Sprintf("asked %d of %d ports", done, of), map[string]any{"host": mac, "address": addr.String()})
		}
	}
}

// explainProbe says why not all ports could be asked.
func explainProbe(diags *diag.Diagnostics, mac string, addr netip.Addr, from *remote.Host, limit time.Duration, err error) {
	summary := fmt.Sprintf("Unable to Ask the Ports of %s", mac)
	where := "this machine"
	if from != nil {
		where = from.Name()
	}
	var unfinished *probe.UnfinishedError
	switch errors.As(err, &unfinished); {
	case unfinished != nil && errors.Is(err, context.DeadlineExceeded):
		diags.AddAttributeError(path.Root("time_limit"), summary, fmt.Sprintf("In %v, %d of %d ports at %s were asked from %s. Ask fewer, more in parallel, or "+
			"with a longer time_limit.", limit, unfinished.Done, unfinished.Of, addr, where))
	case unfinished != nil && !errors.Is(err, context.Canceled):
		diags.AddAttributeError(path.Root("address"), summary, fmt.Sprintf("%s cannot ask %s, which says nothing of the ports there:\n\n%s", capitalized(where), addr,
			indent(unfinished.Err.Error())))
	default:
		explain(diags, path.Root("from"), summary, err)
	}
}

// summaryOf says in a few words what became of the ports.
func summaryOf(p probe.Ports) string {
	var all []string
	for _, part := range []struct {
		is    string
		ports []uint16
	}{{"open", p.Open}, {"closed", p.Closed}, {"filtered", p.Filtered}} {
		if len(part.ports) > 0 {
			all = append(all, part.is+" "+strings.Join(probe.Ranges(part.ports), ", "))
		}
	}
	return strings.Join(all, "; ")
}

func portList(ports []uint16) types.List {
	values := make([]int64, len(ports))
	for i, port := range ports {
		values[i] = int64(port)
	}
	list, _ := types.ListValueFrom(context.Background(), types.Int64Type, values) // numbers always are
	return list
}

func positive(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

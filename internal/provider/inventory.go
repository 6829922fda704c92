package provider

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/macos-fleet/terraform-provider-macos/internal/launchctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/pfctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

// providerModel is the provider block.
type providerModel struct {
	connectionModel
	Host  types.String `tfsdk:"host"`
	Hosts types.Map    `tfsdk:"hosts"` // of hostModel
}

// hostModel is one Mac in `hosts`.
type hostModel struct {
	connectionModel
	Address types.String `tfsdk:"address"`
}

// connectionModel is what can be said of a Mac, or of all of them.
type connectionModel struct {
	Port           types.Int64  `tfsdk:"port"`
	User           types.String `tfsdk:"user"`
	PrivateKey     types.String `tfsdk:"private_key"`
	PrivateKeyFile types.String `tfsdk:"private_key_file"`
	Passphrase     types.String `tfsdk:"private_key_passphrase"`
	Certificate    types.String `tfsdk:"certificate"`
	AgentSocket    types.String `tfsdk:"agent_socket"`
	Password       types.String `tfsdk:"password"`
	SudoPassword   types.String `tfsdk:"sudo_password"`
	HostKey        types.String `tfsdk:"host_key"`
	KnownHosts     types.List   `tfsdk:"known_hosts_files"` // of strings
	ConfigFile     types.String `tfsdk:"ssh_config_file"`
	ProxyJump      types.String `tfsdk:"proxy_jump"`
	ProxyCommand   types.String `tfsdk:"proxy_command"`
	Proxy          types.String `tfsdk:"proxy"`
	ConnectTimeout types.String `tfsdk:"connect_timeout"`
	CommandTimeout types.String `tfsdk:"command_timeout"`
	ConfirmTimeout types.String `tfsdk:"confirm_timeout"`
	SettleTime     types.String `tfsdk:"settle_time"`
	OnUnreachable  types.String `tfsdk:"on_unreachable"`
}

func providerAttributes() map[string]schema.Attribute {
	attributes := connectionAttributes("")
	attributes["host"] = schema.StringAttribute{
		Optional: true,
		MarkdownDescription: "The Mac of resources that do not say `host`: a name in `hosts`, or else what one would write after `ssh`. " +
			"Default: `MACOS_HOST`, or the only Mac in `hosts`.",
	}
	of := connectionAttributes(" Default: as for all Macs.")
	of["address"] = schema.StringAttribute{
		Optional:            true,
		MarkdownDescription: "Host name, IP address, or a `Host` of ssh's configuration. Default: the Mac's name in `hosts`.",
	}
	attributes["hosts"] = schema.MapNestedAttribute{
		Optional: true,
		MarkdownDescription: "The Macs, by the names that resources use in `host`. A name cannot contain a slash. A Mac keeps its name as " +
			"long as it has resources, for it is in their state; what can change is its `address`.",
		NestedObject: schema.NestedAttributeObject{Attributes: of},
	}
	return attributes
}

// connectionAttributes are described once, for all Macs and for one: suffix says what the latter falls back to.
func connectionAttributes(suffix string) map[string]schema.Attribute {
	fallback := func(otherwise string) string {
		if suffix != "" {
			return suffix
		}
		return otherwise
	}
	text := func(description, otherwise string) schema.StringAttribute {
		return schema.StringAttribute{Optional: true, MarkdownDescription: description + fallback(otherwise)}
	}
	secret := func(description, otherwise string) schema.StringAttribute {
		a := text(description, otherwise)
		a.Sensitive = true
		return a
	}
	return map[string]schema.Attribute{
		"port": schema.Int64Attribute{
			Optional:            true,
			Validators:          []validator.Int64{int64validator.Between(1, 65535)},
			MarkdownDescription: "Port of the SSH server." + fallback(" Default: `MACOS_PORT`, or as ssh's configuration says, or 22."),
		},
		"user": text("User to log in as: root, or one who may use sudo.",
			" Default: `MACOS_USER`, or as ssh's configuration says, or the name of the user who runs Terraform."),
		"ssh_config_file": text("A file of ssh's configuration to read instead of `~/.ssh/config` and `/etc/ssh/ssh_config`, or `none`. These options have an "+
			"effect: HostName, User, Port, IdentityFile, IdentitiesOnly, IdentityAgent, CertificateFile, ProxyJump, ProxyCommand, HostKeyAlias, "+
			"UserKnownHostsFile, GlobalKnownHostsFile, RevokedHostKeys (a list of public keys), ConnectTimeout, ServerAliveInterval and AddressFamily, and all "+
			"that decides for whom they are meant: `ssh -G` is asked. Without an ssh program, Host and Include are "+
			"understood, and Match is an error. Always errors are ProxyUseFdpass and, unless `host_key` or `known_hosts_files` is set, KnownHostsCommand. "+
			"What is set here in the provider wins.",
			" Default: `MACOS_SSH_CONFIG_FILE`, or what ssh reads."),
		"private_key": secret("Text of a private key. When a key is given here or in `private_key_file`, the Mac is offered no other; jump hosts "+
			"are offered it, too.", " Default: `MACOS_PRIVATE_KEY`."),
		"private_key_file": text("File that holds a private key. A certificate beside it (`KEY-cert.pub`) is offered first, unless it is of no use.",
			" Default: `MACOS_PRIVATE_KEY_FILE`; without any key, those that ssh's configuration names, then those of the SSH agent, or else these "+
				"and then `id_ed25519`, `id_ecdsa` and `id_rsa` in `~/.ssh`. Keys are offered one at a time, and no more than a server takes on one connection."),
		"private_key_passphrase": secret("Passphrase of the private key, or of the files that ssh's configuration names, where they are encrypted.",
			" Default: `MACOS_PRIVATE_KEY_PASSPHRASE`."),
		"certificate": text("User certificate, as in a file `KEY-cert.pub`, for the private key, or without one here for a key of the SSH agent or of ssh's configuration.", " Default: `MACOS_CERTIFICATE`."),
		"agent_socket": text("Socket of the SSH agent, on Windows also a named pipe; or `$NAME`, the environment variable that has it; or `none`.",
			" Default: ssh's IdentityAgent, or `SSH_AUTH_SOCK`, or on Windows `\\\\.\\pipe\\openssh-ssh-agent`."),
		"password": secret("Password of the user, where the SSH server asks for one. Jump hosts do not get it.", " Default: `MACOS_PASSWORD`."),
		"sudo_password": secret("Password for sudo, where it asks for one. It reaches sudo's standard input and nothing else.",
			" Default: `MACOS_SUDO_PASSWORD`."),
		"host_key": text("The one host key that is accepted, as in known_hosts: `ssh-ed25519 AAAA...`.",
			" Default: `MACOS_HOST_KEY`, or what the known_hosts files say."),
		"known_hosts_files": schema.ListAttribute{
			Optional:    true,
			ElementType: types.StringType,
			MarkdownDescription: "Files of known host keys, with hashed names, `@cert-authority` and `@revoked` lines where wanted. A key that is not known is " +
				"never accepted, whatever ssh's StrictHostKeyChecking says." +
				fallback(" Default: as ssh's configuration says, or `~/.ssh/known_hosts` and `/etc/ssh/ssh_known_hosts`."),
		},
		"proxy_jump": text("Jump hosts, as after `ssh -J`: `user@bastion:2222`, several separated by commas; or `none`. Each is logged in to as ssh's "+
			"configuration says, and its host key must be known.", " Default: `MACOS_PROXY_JUMP`, or as ssh's configuration says."),
		"proxy_command": text("Command that leads to the SSH server with its standard input and output, such as `tailscale nc %h %p`, instead of jump hosts; "+
			"or `none`. It may contain `%h` (host), `%p` (port), `%r` (user), `%n` (host as given) and `%%`.",
			" Default: `MACOS_PROXY_COMMAND`, or as ssh's configuration says."),
		"proxy": secret("SOCKS server for the connection to the Mac, or to the first jump host: `socks5://user:password@host:port`; or `none`. It looks up the "+
			"names.", " Default: `MACOS_PROXY`; or, where ssh's configuration has no ProxyCommand, `ALL_PROXY` if that is a SOCKS server, "+
			"except for what is in `NO_PROXY`."),
		"connect_timeout": text("How long connecting may take, from the name look-up until sudo has answered, such as `30s`.",
			" Default: `10s`, or ssh's ConnectTimeout where that is longer; where that is shorter, it is for the time until the server has shown its host key."),
		"command_timeout": text("How long one step on a Mac may take, such as `5m`.", " Default: `2m`."),
		"confirm_timeout": text("Within which time a new connection must confirm a change that could cut the Mac off, before the Mac undoes it by itself: "+
			"from `20s` to `10m`.", " Default: `60s`."),
		"settle_time": text("After which time a second new connection must confirm changes of rules that touch UDP or port 443, such as `2m`, before they are "+
			"written to disk. Tailscale can live for minutes on what pf remembers, when the rules have cut it already.", " Default: none."),
		"on_unreachable": schema.StringAttribute{
			Optional:   true,
			Validators: []validator.String{stringvalidator.OneOf("fail", "keep")},
			MarkdownDescription: "What a plan does about a Mac that cannot be reached or logged in to. `fail`: it fails. `keep`: its resources stay as they were last " +
				"read, with one warning for the Mac, and the plan for the other Macs goes on; an apply that would change something on that Mac fails for that Mac only. " +
				"A data source has no last state to keep: one that reads that Mac fails the plan, unless it stands in a `check` block. " +
				"Either way the Mac is dialled once, for at most `connect_timeout`, however many resources it has." + fallback(" Default: `fail`."),
		},
	}
}

// inventory is the Macs that the configuration names.
type inventory struct {
	open     bool                    // `hosts` or `host` is not known yet: there may be others
	macs     map[string]*remote.Host // a nil Host is one that is not known yet how to reach
	fallback types.String            // the Mac of resources without `host`; null: there is none
	fleet    *remote.Fleet           // of those Macs

	planned map[string]*pfctl.Planned // what the plans of this run have in mind, for each Mac
	keeps   map[string]bool           // the Macs whose resources stay as they are in the state when they cannot be reached
	away    sync.Map                  // the names of those of which resources could not be read for that reason
	jumps   sync.Map                  // for what is wrong with a jump host, the name of the first Mac of which that was said; see whyAway
}

// newInventory makes the Macs of the provider block. It dials none.
func newInventory(ctx context.Context, config providerModel, diags *diag.Diagnostics) *inventory {
	inv := &inventory{macs: map[string]*remote.Host{}, keeps: map[string]bool{}, open: config.Hosts.IsUnknown() || config.Host.IsUnknown()}
	defaults := config.connectionModel.withEnvironment(diags)
	inv.fleet = &remote.Fleet{Said: func(mac, banner string) {
		tflog.Warn(ctx, "The SSH server says something before the login, which may wait for it", map[string]any{"mac": mac, "banner": banner})
	}}
	hosts := config.Hosts.Elements()
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		value, at := hosts[name], path.Root("hosts").AtMapKey(name)
		if value.IsUnknown() {
			inv.macs[name] = nil
			continue
		}
		var host hostModel
		if object, ok := value.(types.Object); ok {
			diags.Append(object.As(ctx, &host, basetypes.ObjectAsOptions{})...)
		}
		if !isName(name, at, diags) {
			continue
		}
		if host.Address.IsNull() {
			host.Address = types.StringValue(name)
		}
		connection := host.connectionModel.or(defaults)
		inv.macs[name], inv.keeps[name] = newHost(name, host.Address, connection, inv.fleet, at, diags), connection.keeps()
	}

	if inv.fallback = first(config.Host, env("MACOS_HOST")); inv.fallback.IsNull() {
		switch {
		case inv.open:
			inv.fallback = types.StringUnknown()
		case len(inv.macs) == 1:
			inv.fallback = types.StringValue(inv.names()[0])
		}
	}
	if name := inv.fallback.ValueString(); name != "" && !slices.Contains(inv.names(), name) && isName(name, path.Root("host"), diags) {
		inv.macs[name], inv.keeps[name] = nil, defaults.keeps()
		if !config.Hosts.IsUnknown() { // otherwise it may say how to reach this Mac
			inv.macs[name] = newHost(name, inv.fallback, defaults, inv.fleet, path.Root("host"), diags)
		}
	}
	inv.planned = map[string]*pfctl.Planned{}
	for name := range inv.macs {
		inv.planned[name] = new(pfctl.Planned)
	}
	return inv
}

// foresee has each Mac that is dialled asked at once for all that resources are read from. Terraform reads ten at a time, and those of one
// kind first: else the first of the next kind would cost every Mac a round trip of its own.
func (inv *inventory) foresee() {
	pfctl.Foresee(inv.fleet)
	launchctl.Foresee(inv.fleet, launchctl.Place{})
}

// names are the Macs' names, sorted.
func (inv *inventory) names() []string { return slices.Sorted(maps.Keys(inv.macs)) }

// list is the same, for messages.
func (inv *inventory) list() string {
	if len(inv.macs) == 0 {
		return "The provider block names no Mac: set host or hosts."
	}
	return "It has: " + strings.Join(inv.names(), ", ") + "."
}

// isName says whether a Mac can have this name.
func isName(name string, at path.Path, diags *diag.Diagnostics) bool {
	if name != "" && !strings.ContainsAny(name, "/ \t\r\n") {
		return true
	}
	diags.AddAttributeError(at, "Invalid Name of a Mac", "A name is not empty and has no slash or blank, for it is part of import IDs. "+
		"An address that has one can be that of a Mac in hosts.")
	return false
}

// password is one without the end of the line that a file has. There is none of several lines: nobody could type it.
func password(s types.String, at path.Path, diags *diag.Diagnostics) string {
	line := strings.TrimSuffix(strings.TrimSuffix(s.ValueString(), "\n"), "\r")
	if strings.ContainsAny(line, "\r\n") {
		diags.AddAttributeError(at, "Invalid Password", "It has more than one line.")
	}
	return line
}

// newHost returns nil when something about the connection is not known yet.
func newHost(name string, address types.String, c connectionModel, fleet *remote.Fleet, at path.Path, diags *diag.Diagnostics) *remote.Host {
	if address.IsUnknown() || c.unknown() {
		return nil
	}
	t := remote.Target{
		Name: name, Address: address.ValueString(), Port: int(c.Port.ValueInt64()), User: c.User.ValueString(),
		PrivateKey: c.PrivateKey.ValueString(), Passphrase: c.Passphrase.ValueString(), Agent: home(c.AgentSocket.ValueString(), diags),
		Certificate: c.Certificate.ValueString(), Password: password(c.Password, at.AtName("password"), diags), SudoPassword: password(c.SudoPassword, at.AtName("sudo_password"), diags),
		HostKey: c.HostKey.ValueString(), ConfigFile: home(c.ConfigFile.ValueString(), diags),
		ProxyJump: c.ProxyJump.ValueString(), ProxyCommand: c.ProxyCommand.ValueString(), Proxy: c.Proxy.ValueString(),
		ConnectTimeout: duration(c.ConnectTimeout, at.AtName("connect_timeout"), diags),
		CommandTimeout: duration(c.CommandTimeout, at.AtName("command_timeout"), diags),
		ConfirmTimeout: duration(c.ConfirmTimeout, at.AtName("confirm_timeout"), diags),
		SettleTime:     duration(c.SettleTime, at.AtName("settle_time"), diags),
	}
	if d := t.ConfirmTimeout; d != 0 && (d < 20*time.Second || d > 10*time.Minute) {
		diags.AddAttributeError(at.AtName("confirm_timeout"), "Invalid Duration", fmt.Sprintf("confirm_timeout is %v, and must be from 20s to 10m: "+
			"shorter, and a slow login would undo good rules; longer, and a Mac that is cut off would stay so.", d))
	}
	for _, file := range stringsOf(c.KnownHosts) {
		t.KnownHosts = append(t.KnownHosts, home(file, diags))
	}
	if t.PrivateKey == "" && c.PrivateKeyFile.ValueString() != "" {
		file := home(c.PrivateKeyFile.ValueString(), diags)
		key, err := os.ReadFile(file)
		if err != nil {
			// Not of an attribute: the same file of all Macs is told once.
			diags.AddError("Unable to Read the Private Key", fmt.Sprintf("It is the provider's private_key_file, or MACOS_PRIVATE_KEY_FILE.\n\n%s", indent(err.Error())))
		}
		t.PrivateKey, t.PrivateKeyFile = string(key), file
	}
	if c.ProxyCommand.ValueString() != "" && c.ProxyJump.ValueString() != "" {
		diags.AddAttributeError(at.AtName("proxy_command"), "Two Ways to One Mac", fmt.Sprintf("For %q there are both a proxy_jump and a proxy_command.", name))
	}
	return fleet.Host(t)
}

// home replaces a leading ~/ by the home folder: HOME, or else what the user database says.
func home(file string, diags *diag.Diagnostics) string {
	rest, ok := strings.CutPrefix(file, "~/")
	if !ok {
		return file
	}
	dir, err := os.UserHomeDir()
	if err != nil {
		var me *user.User
		if me, err = user.Current(); err == nil {
			dir = me.HomeDir
		}
	}
	if err != nil {
		diags.AddError("Unknown Home Folder", fmt.Sprintf("The provider is given %s, and the home folder of whoever runs it is not known: HOME is not set, and the "+
			"user database does not tell.\n\n%s", file, indent(err.Error())))
	}
	return dir + "/" + rest
}

// duration is 0, which stands for the default, when nothing is set.
func duration(s types.String, at path.Path, diags *diag.Diagnostics) time.Duration {
	if s.ValueString() == "" {
		return 0
	}
	d, err := time.ParseDuration(s.ValueString())
	if err != nil || d <= 0 {
		diags.AddAttributeError(at, "Invalid Duration", fmt.Sprintf("%q is not a duration above zero, such as 30s or 2m.", s.ValueString()))
	}
	return d
}

// withEnvironment fills in, from the environment, what is not set.
func (c connectionModel) withEnvironment(diags *diag.Diagnostics) connectionModel {
	port := types.Int64Null()
	if text := env("MACOS_PORT").ValueString(); text != "" {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 {
			diags.AddError("Invalid Port", fmt.Sprintf("The environment variable MACOS_PORT is %q, which is not a number from 1 to 65535.", text))
		}
		port = types.Int64Value(int64(n))
	}
	return c.or(connectionModel{
		Port: port, User: env("MACOS_USER"), PrivateKey: env("MACOS_PRIVATE_KEY"), PrivateKeyFile: env("MACOS_PRIVATE_KEY_FILE"),
		Passphrase: env("MACOS_PRIVATE_KEY_PASSPHRASE"), Certificate: env("MACOS_CERTIFICATE"), Password: env("MACOS_PASSWORD"),
		SudoPassword: env("MACOS_SUDO_PASSWORD"), HostKey: env("MACOS_HOST_KEY"), ConfigFile: env("MACOS_SSH_CONFIG_FILE"),
		ProxyJump: env("MACOS_PROXY_JUMP"), ProxyCommand: env("MACOS_PROXY_COMMAND"), Proxy: env("MACOS_PROXY"),
	})
}

func env(name string) types.String {
	if v := os.Getenv(name); v != "" {
		return types.StringValue(v)
	}
	return types.StringNull()
}

// or takes from d what c leaves open. A key is taken as a whole: its text, its file, its passphrase and its certificate belong
// together. So do the ways to go: a jump host for one Mac takes the place of a command for all.
func (c connectionModel) or(d connectionModel) connectionModel {
	if c.PrivateKey.IsNull() && c.PrivateKeyFile.IsNull() {
		c.PrivateKey, c.PrivateKeyFile = d.PrivateKey, d.PrivateKeyFile
		c.Passphrase = first(c.Passphrase, d.Passphrase)
		c.Certificate = first(c.Certificate, d.Certificate)
	}
	if c.ProxyJump.IsNull() && c.ProxyCommand.IsNull() {
		c.ProxyJump, c.ProxyCommand = d.ProxyJump, d.ProxyCommand
	}
	if c.Port.IsNull() {
		c.Port = d.Port
	}
	if c.KnownHosts.IsNull() {
		c.KnownHosts = d.KnownHosts
	}
	c.User = first(c.User, d.User)
	c.AgentSocket = first(c.AgentSocket, d.AgentSocket)
	c.Password = first(c.Password, d.Password)
	c.SudoPassword = first(c.SudoPassword, d.SudoPassword)
	c.HostKey = first(c.HostKey, d.HostKey)
	c.ConfigFile = first(c.ConfigFile, d.ConfigFile)
	c.Proxy = first(c.Proxy, d.Proxy)
	c.ConnectTimeout = first(c.ConnectTimeout, d.ConnectTimeout)
	c.CommandTimeout = first(c.CommandTimeout, d.CommandTimeout)
	c.ConfirmTimeout = first(c.ConfirmTimeout, d.ConfirmTimeout)
	c.SettleTime = first(c.SettleTime, d.SettleTime)
	c.OnUnreachable = first(c.OnUnreachable, d.OnUnreachable)
	return c
}

// keeps reports whether resources stay as they are in the state when their Mac cannot be reached.
func (c connectionModel) keeps() bool { return c.OnUnreachable.ValueString() == "keep" }

func first(a, b types.String) types.String {
	if a.IsNull() {
		return b
	}
	return a
}

func (c connectionModel) unknown() bool {
	values := append(c.KnownHosts.Elements(), c.KnownHosts, c.Port, c.User, c.PrivateKey, c.PrivateKeyFile, c.Passphrase, c.Certificate,
		c.AgentSocket, c.ConfigFile, c.ProxyJump, c.ProxyCommand, c.Proxy, c.Password, c.SudoPassword, c.HostKey, c.ConnectTimeout,
		c.CommandTimeout, c.ConfirmTimeout, c.SettleTime, c.OnUnreachable)
	return slices.ContainsFunc(values, attr.Value.IsUnknown)
}

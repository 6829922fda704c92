// Package provider is what Terraform and OpenTofu see: the provider's configuration, its resources, and every word that
// is said to a user. Each construct is one file; what they do on a Mac is in packages pfctl and launchctl.
package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource"
)

// RegistryAddress is the provider's source address in the public registry.
const RegistryAddress = "registry.terraform.io/macos-fleet/macos"

var _ provider.ProviderWithFunctions = (*macosProvider)(nil)

// New returns the provider. The version is what it reports of itself.
func New(version string) func() provider.Provider {
	return func() provider.Provider { return &macosProvider{version: version} }
}

type macosProvider struct {
	version   string
	inventory *inventory // nil before it is configured
}

func (p *macosProvider) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName, resp.Version = "macos", p.version
}

func (p *macosProvider) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Manages the firewall and the daemons of Macs over SSH, with nothing installed on them.\n\n" +
			"One provider block serves a whole fleet: `hosts` names the Macs, and each resource says with `host` which of " +
			"them it is on. What is written beside `hosts` holds for every Mac that does not say otherwise. For a single Mac, " +
			"`host = \"mini\"` is all there is to write.\n\n" +
			"The user must be root, or be allowed to use sudo. A host key that is not known is never accepted: it must stand " +
			"in a known_hosts file or in `host_key`.",
		Attributes: providerAttributes(),
	}
}

func (p *macosProvider) Configure(ctx context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	var config providerModel
	if resp.Diagnostics.Append(req.Config.Get(ctx, &config)...); resp.Diagnostics.HasError() {
		return
	}
	p.inventory = newInventory(ctx, config, &resp.Diagnostics)
	resp.ResourceData = p.inventory
	resp.DataSourceData = p.inventory
}

func (p *macosProvider) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{
		func() resource.Resource { return &pfAnchorResource{} },
		func() resource.Resource { return &pfResource{} },
		func() resource.Resource { return &pfTableResource{} },
		func() resource.Resource { return newLaunchdaemon() },
		func() resource.Resource { return newLaunchagent() },
	}
}

func (p *macosProvider) DataSources(context.Context) []func() datasource.DataSource {
	return []func() datasource.DataSource{
		func() datasource.DataSource { return &pfStatusDataSource{} },
		func() datasource.DataSource { return &pfRulesDataSource{} },
		func() datasource.DataSource { return &portProbeDataSource{} },
		func() datasource.DataSource { return &launchdJobDataSource{} },
		func() datasource.DataSource { return &launchdJobsDataSource{} },
		func() datasource.DataSource { return &hostDataSource{} },
		func() datasource.DataSource { return &listenersDataSource{} },
		func() datasource.DataSource { return &tailscaleDataSource{} },
	}
}

func (p *macosProvider) Functions(context.Context) []func() function.Function {
	return []func() function.Function{
		func() function.Function { return pfCheckFunction{} },
		func() function.Function { return pfCanonicalFunction{} },
		func() function.Function { return pfVerdictFunction{} },
		func() function.Function { return plistDecodeFunction{} },
		func() function.Function { return plistEncodeFunction{} },
	}
}

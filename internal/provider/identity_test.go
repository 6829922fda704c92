package provider

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfversion"
)

// Each resource can be imported by its identity, where the CLI knows identities.
func TestIdentity(t *testing.T) {
	mac := simulated(t)
	for address, test := range map[string]struct {
		config   string
		identity map[string]knownvalue.Check
	}{
		anchorAddress: {mac.anchor("tfacc.identity", story), map[string]knownvalue.Check{
			"host": knownvalue.StringExact("mini"), "name": knownvalue.StringExact("tfacc.identity"),
		}},
		daemonAddress: {mac.daemon("tfacc.identity", sleeper), map[string]knownvalue.Check{
			"host": knownvalue.StringExact("mini"), "label": knownvalue.StringExact("tfacc.identity"),
		}},
		tableAddress: {mac.table("", "10.0.0.1"), map[string]knownvalue.Check{
			"host": knownvalue.StringExact("mini"), "anchor": knownvalue.StringExact("tfacc.web"), "name": knownvalue.StringExact("bad"),
		}},
		pfAddress: {mac.pf(""), map[string]knownvalue.Check{"host": knownvalue.StringExact("mini")}},
	} {
		t.Run(address, func(t *testing.T) {
			resource.UnitTest(t, resource.TestCase{
				ProtoV6ProviderFactories: factories,
				TerraformVersionChecks:   []tfversion.TerraformVersionCheck{tfversion.SkipBelow(tfversion.Version1_12_0)},
				Steps: []resource.TestStep{
					{Config: test.config, ConfigStateChecks: []statecheck.StateCheck{statecheck.ExpectIdentity(address, test.identity)}},
					{ResourceName: address, ImportState: true, ImportStateKind: resource.ImportBlockWithResourceIdentity},
				},
			})
		})
	}
}

// ValidateImplementation finds mistakes in schemas that a CLI would only meet by chance.
func TestSchemas(t *testing.T) {
	ctx := t.Context()
	p := New("test")()
	for _, resource := range p.Resources(ctx) {
		checkSchema(t, resource())
	}
}

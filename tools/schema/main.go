// Command schema prints the provider's schema as `terraform providers schema -json` does, for tfplugindocs. It asks the
// provider itself, since the CLIs differ in what they leave out: an old terraform knows no identities and no lists.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/macos-fleet/terraform-provider-macos/internal/provider"
)

// name is the only address at which tfplugindocs looks for a schema; it does not appear in the pages.
const name = "registry.terraform.io/hashicorp/macos"

type providerSchemas struct {
	FormatVersion string                    `json:"format_version"`
	Schemas       map[string]providerSchema `json:"provider_schemas"`
}

// providerSchema is one provider.
type providerSchema struct {
	Provider   schema              `json:"provider"`
	Resources  map[string]schema   `json:"resource_schemas,omitempty"`
	Identities map[string]identity `json:"resource_identity_schemas,omitempty"`
	Data       map[string]schema   `json:"data_source_schemas,omitempty"`
	Lists      map[string]schema   `json:"list_resource_schemas,omitempty"`
	Ephemeral  map[string]schema   `json:"ephemeral_resource_schemas,omitempty"`
	Actions    map[string]schema   `json:"action_schemas,omitempty"`
	Functions  map[string]function `json:"functions,omitempty"`
}

// function has no variadic parameter: none of ours has.
type function struct {
	Description string       `json:"description,omitempty"`
	Summary     string       `json:"summary,omitempty"`
	Return      tftypes.Type `json:"return_type"`
	Parameters  []parameter  `json:"parameters,omitempty"`
}

type parameter struct {
	Name        string       `json:"name"`
	Description string       `json:"description,omitempty"`
	Type        tftypes.Type `json:"type"`
}

type schema struct {
	Version int64 `json:"version"`
	Block   block `json:"block"`
}

// block holds attributes only: this provider has no nested blocks.
type block struct {
	Attributes  map[string]attribute `json:"attributes,omitempty"`
	Description string               `json:"description,omitempty"`
	Kind        string               `json:"description_kind,omitempty"`
	Deprecated  bool                 `json:"deprecated,omitempty"`
}

type attribute struct {
	Type        tftypes.Type `json:"type,omitempty"`
	Nested      *nested      `json:"nested_type,omitempty"`
	Description string       `json:"description,omitempty"`
	Kind        string       `json:"description_kind,omitempty"`
	Deprecated  bool         `json:"deprecated,omitempty"`
	Required    bool         `json:"required,omitempty"`
	Optional    bool         `json:"optional,omitempty"`
	Computed    bool         `json:"computed,omitempty"`
	Sensitive   bool         `json:"sensitive,omitempty"`
	WriteOnly   bool         `json:"write_only,omitempty"`
}

type nested struct {
	Attributes map[string]attribute `json:"attributes"`
	Nesting    string               `json:"nesting_mode"`
}

type identity struct {
	Version    int64                        `json:"version"`
	Attributes map[string]identityAttribute `json:"attributes"`
}

type identityAttribute struct {
	Type        tftypes.Type `json:"type"`
	Description string       `json:"description,omitempty"`
	Required    bool         `json:"required_for_import,omitempty"`
	Optional    bool         `json:"optional_for_import,omitempty"`
}

func main() {
	log.SetFlags(0)
	ctx := context.Background()
	server := providerserver.NewProtocol6(provider.New("docs")())()
	all, err := server.GetProviderSchema(ctx, &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		log.Fatal(err)
	}
	ids, err := server.GetResourceIdentitySchemas(ctx, &tfprotov6.GetResourceIdentitySchemasRequest{})
	if err != nil {
		log.Fatal(err)
	}
	for _, d := range append(all.Diagnostics, ids.Diagnostics...) {
		log.Fatalf("%s: %s", d.Summary, d.Detail)
	}
	out := providerSchema{
		Provider:   schemaOf(all.Provider),
		Resources:  each(all.ResourceSchemas, schemaOf),
		Identities: each(ids.IdentitySchemas, identityOf),
		Data:       each(all.DataSourceSchemas, schemaOf),
		Lists:      each(all.ListResourceSchemas, schemaOf),
		Ephemeral:  each(all.EphemeralResourceSchemas, schemaOf),
		Actions:    each(all.ActionSchemas, func(a *tfprotov6.ActionSchema) schema { return schemaOf(a.Schema) }),
		Functions:  each(all.Functions, functionOf),
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", "  ")
	if err := enc.Encode(providerSchemas{FormatVersion: "1.0", Schemas: map[string]providerSchema{name: out}}); err != nil {
		log.Fatal(err)
	}
}

func functionOf(f *tfprotov6.Function) function {
	out := function{Description: f.Description, Summary: f.Summary, Return: f.Return.Type}
	for _, p := range f.Parameters {
		out.Parameters = append(out.Parameters, parameter{Name: p.Name, Description: p.Description, Type: p.Type})
	}
	return out
}

func each[A, B any](in map[string]A, f func(A) B) map[string]B {
	out := make(map[string]B, len(in))
	for name, a := range in {
		out[name] = f(a)
	}
	return out
}

func schemaOf(s *tfprotov6.Schema) schema {
	return schema{Version: s.Version, Block: block{
		Attributes:  attributesOf(s.Block.Attributes),
		Description: s.Block.Description,
		Kind:        kindOf(s.Block.DescriptionKind),
		Deprecated:  s.Block.Deprecated,
	}}
}

func attributesOf(attributes []*tfprotov6.SchemaAttribute) map[string]attribute {
	out := make(map[string]attribute, len(attributes))
	for _, a := range attributes {
		got := attribute{
			Description: a.Description, Kind: kindOf(a.DescriptionKind), Deprecated: a.Deprecated, Required: a.Required,
			Optional: a.Optional, Computed: a.Computed, Sensitive: a.Sensitive, WriteOnly: a.WriteOnly,
		}
		if a.NestedType == nil {
			got.Type = a.Type
		} else {
			got.Nested = &nested{Attributes: attributesOf(a.NestedType.Attributes), Nesting: nestings[a.NestedType.Nesting]}
		}
		out[a.Name] = got
	}
	return out
}

var nestings = map[tfprotov6.SchemaObjectNestingMode]string{
	tfprotov6.SchemaObjectNestingModeSingle: "single",
	tfprotov6.SchemaObjectNestingModeList:   "list",
	tfprotov6.SchemaObjectNestingModeSet:    "set",
	tfprotov6.SchemaObjectNestingModeMap:    "map",
}

func kindOf(k tfprotov6.StringKind) string {
	if k == tfprotov6.StringKindMarkdown {
		return "markdown"
	}
	return "plain"
}

func identityOf(s *tfprotov6.ResourceIdentitySchema) identity {
	out := identity{Version: s.Version, Attributes: make(map[string]identityAttribute, len(s.IdentityAttributes))}
	for _, a := range s.IdentityAttributes {
		out.Attributes[a.Name] = identityAttribute{
			Type: a.Type, Description: a.Description, Required: a.RequiredForImport, Optional: a.OptionalForImport,
		}
	}
	return out
}

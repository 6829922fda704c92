package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

var _ function.Function = plistEncodeFunction{}

// plistEncodeFunction is plist_encode: any value in, an XML property list out. It asks no Mac.
type plistEncodeFunction struct{}

func (plistEncodeFunction) Metadata(_ context.Context, _ function.MetadataRequest, resp *function.MetadataResponse) {
	resp.Name = "plist_encode"
}

// plistTypes is what the documentation of both functions says of the types that Terraform lacks.
const plistTypes = "\n\nA property list has types that Terraform lacks. Each is an object with one attribute that says which it is:\n\n" +
	"- `{ \"$date\" = \"2026-11-22T18:00:00Z\" }`: a date, in RFC 3339.\n" +
	"- `{ \"$data\" = \"AAEC\" }`: data, in base64.\n" +
	"- `{ \"$real\" = 2 }`: a real that is whole, which would else be an integer; also `\"nan\"`, `\"inf\"` and `\"-inf\"`.\n" +
	"- `{ \"$dict\" = { \"$date\" = \"...\" } }`: a dictionary whose only key is one of these four."

func (plistEncodeFunction) Definition(_ context.Context, _ function.DefinitionRequest, resp *function.DefinitionResponse) {
	resp.Definition = function.Definition{
		Summary: "Write a value as an XML property list",
		MarkdownDescription: "Returns the XML property list that stands for a value, with its keys sorted. Objects and maps become dictionaries, in which what is null is " +
			"left out; lists, sets and tuples become arrays; numbers become integers of up to 64 bits if they are whole, else reals." + plistTypes,
		Parameters: []function.Parameter{function.DynamicParameter{
			Name: "value", MarkdownDescription: "What to write, such as an object with the keys of a launchd.plist.",
		}},
		Return: function.StringReturn{},
	}
}

func (plistEncodeFunction) Run(ctx context.Context, req function.RunRequest, resp *function.RunResponse) {
	var value types.Dynamic
	if resp.Error = req.Arguments.Get(ctx, &value); resp.Error != nil {
		return
	}
	if !isKnown(value) { // somewhere inside
		resp.Error = resp.Result.Set(ctx, types.StringUnknown())
		return
	}
	v, err := encodeAny(value)
	var text []byte
	if err == nil {
		text, err = plist.Encode(v)
	}
	if err != nil {
		resp.Error = function.NewArgumentFuncError(0, err.Error())
		return
	}
	resp.Error = resp.Result.Set(ctx, string(text))
}

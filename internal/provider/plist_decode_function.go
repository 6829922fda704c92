package provider

import (
	"context"
	"encoding/base64"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

var _ function.Function = plistDecodeFunction{}

// plistDecodeFunction is plist_decode: a property list in, its value out. It asks no Mac.
type plistDecodeFunction struct{}

func (plistDecodeFunction) Metadata(_ context.Context, _ function.MetadataRequest, resp *function.MetadataResponse) {
	resp.Name = "plist_decode"
}

func (plistDecodeFunction) Definition(_ context.Context, _ function.DefinitionRequest, resp *function.DefinitionResponse) {
	resp.Definition = function.Definition{
		Summary: "Read an XML or binary property list",
		MarkdownDescription: "Returns the value of a property list: objects for dictionaries, tuples for arrays, numbers for integers and reals. `plist_encode` makes a " +
			"property list with the same meaning of it. What launchd does not load is refused: JSON, old-style ASCII property lists, and booleans " +
			"written as `<true></true>`." + plistTypes,
		Parameters: []function.Parameter{function.StringParameter{
			Name: "text", MarkdownDescription: "An XML property list, or a binary or XML one in base64, as from `filebase64`.",
		}},
		Return: function.DynamicReturn{},
	}
}

func (plistDecodeFunction) Run(ctx context.Context, req function.RunRequest, resp *function.RunResponse) {
	var text string
	if resp.Error = req.Arguments.Get(ctx, &text); resp.Error != nil {
		return
	}
	v, err := plist.Decode(unwrapped(text))
	if err != nil {
		resp.Error = function.NewArgumentFuncError(0, err.Error())
		return
	}
	resp.Error = resp.Result.Set(ctx, types.DynamicValue(decodeAny(v)))
}

// unwrapped is what a text stands for if it is base64; no property list can be mistaken for that.
func unwrapped(text string) []byte {
	if data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text)); err == nil && len(data) > 0 {
		return data
	}
	return []byte(text)
}

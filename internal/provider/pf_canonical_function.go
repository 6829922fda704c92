package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

var _ function.Function = pfCanonicalFunction{}

// pfCanonicalFunction is pf_canonical: rules in, the lines that pfctl would print for them out. It asks no Mac.
type pfCanonicalFunction struct{}

func (pfCanonicalFunction) Metadata(_ context.Context, _ function.MetadataRequest, resp *function.MetadataResponse) {
	resp.Name = "pf_canonical"
}

func (pfCanonicalFunction) Definition(_ context.Context, _ function.DefinitionRequest, resp *function.DefinitionResponse) {
	resp.Definition = function.Definition{
		Summary: "The rules as pfctl prints them",
		MarkdownDescription: "Returns the rules that a text loads to, one line each, as `pfctl -sr` and `-sn` print them: macros and lists multiplied out, defaults " +
			"written down. Two texts that load to the same rules have the same lines. It fails where `pf_check` does, and where a rule depends " +
			"on a Mac, as with `self`, `en0` as an address, and host names.",
		Parameters: []function.Parameter{rulesParameter},
		Return:     function.ListReturn{ElementType: types.StringType},
	}
}

func (pfCanonicalFunction) Run(ctx context.Context, req function.RunRequest, resp *function.RunResponse) {
	var rules string
	if resp.Error = req.Arguments.Get(ctx, &rules); resp.Error != nil {
		return
	}
	file, err := parseRules(rules)
	if err != nil {
		resp.Error = function.NewArgumentFuncError(0, wordsOf(err))
		return
	}
	resp.Error = resp.Result.Set(ctx, file.Lines())
}

package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/function"

	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
	"github.com/macos-fleet/terraform-provider-macos/internal/pfctl"
)

var _ function.Function = pfCheckFunction{}

// pfCheckFunction is pf_check: rules in, the same rules out, or all that is wrong with them. It asks no Mac.
type pfCheckFunction struct{}

// rulesParameter is the one parameter of functions about a rule text.
var rulesParameter = function.StringParameter{
	Name: "rules", MarkdownDescription: "The rules, in the language of pf.conf(5). A newline is added at the end if there is none.",
}

func (pfCheckFunction) Metadata(_ context.Context, _ function.MetadataRequest, resp *function.MetadataResponse) {
	resp.Name = "pf_check"
}

func (pfCheckFunction) Definition(_ context.Context, _ function.DefinitionRequest, resp *function.DefinitionResponse) {
	resp.Definition = function.Definition{
		Summary: "Check pf rules without a Mac",
		MarkdownDescription: "Returns the rules as they are if pfctl would read them, and fails with everything that it would complain about otherwise: in its " +
			"words, by line and column, all at once. What only a Mac can know is not judged: the addresses of its interfaces, its users, " +
			"and host names. It follows the pfctl of macOS as far as that is known; a `macos_pf_anchor` asks the Mac's own in every plan.",
		Parameters: []function.Parameter{rulesParameter},
		Return:     function.StringReturn{},
	}
}

func (pfCheckFunction) Run(ctx context.Context, req function.RunRequest, resp *function.RunResponse) {
	var rules string
	if resp.Error = req.Arguments.Get(ctx, &rules); resp.Error != nil {
		return
	}
	if _, err := parseRules(rules); err != nil {
		if wrong := err.Anywhere(); len(wrong) > 0 {
			resp.Error = function.NewArgumentFuncError(0, wordsOf(wrong))
			return
		}
	}
	resp.Error = resp.Result.Set(ctx, rules)
}

// parseRules reads a text for a Mac about which nothing is known, and finds every error.
func parseRules(rules string) (*pf.File, pf.Errors) {
	file, err := pf.Parse("rules", []byte(pfctl.Terminated(rules)), pf.Options{All: true})
	var all pf.Errors
	errors.As(err, &all)
	return file, all
}

// wordsOf are the errors for a person, a line each: where, pfctl's words, and what was probably meant.
func wordsOf(all pf.Errors) string {
	var b strings.Builder
	for _, e := range all {
		fmt.Fprintf(&b, "\nline %d, column %d: %s", e.Pos.Line, e.Pos.Col, e.Msg)
		if e.Hint != "" {
			fmt.Fprintf(&b, " (%s)", e.Hint)
		}
	}
	return b.String()
}

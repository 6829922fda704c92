package provider

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
)

// named accepts the names for which check returns no error.
type named struct {
	what  string // "Anchor Name"
	check func(string) error
}

func (named) Description(context.Context) string { return "must be a name that is possible on a Mac" }

func (v named) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (v named) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if err := v.check(req.ConfigValue.ValueString()); err != nil {
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid "+v.what, capitalized(err.Error())+".")
	}
}

// ruleText refuses what is no text, before it travels anywhere.
type ruleText struct{}

func (ruleText) Description(context.Context) string { return "must be text" }

func (v ruleText) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (ruleText) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	text := req.ConfigValue.ValueString()
	binary := strings.ContainsFunc(text, func(r rune) bool {
		return r == utf8.RuneError || unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r'
	})
	if binary {
		resp.Diagnostics.AddAttributeError(req.Path, "Rules Are Not Text", "There are bytes in it that no rule can have, such as NUL.")
	}
}

func capitalized(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

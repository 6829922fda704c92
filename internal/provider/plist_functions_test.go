package provider

import (
	"encoding/base64"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfversion"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

// Every value of a property list gets through Terraform's types and back as it was.
func TestPlistAny(t *testing.T) {
	for name, v := range map[string]plist.Value{
		"string": "a <b> & \"c\"\n\u00e9", "empty": "", "true": true, "false": false,
		"zero": int64(0), "smallest": int64(math.MinInt64), "largest-signed": int64(math.MaxInt64), "largest": uint64(math.MaxUint64),
		"real": 0.1, "whole-real": 2.0, "tiny": 5e-324, "huge": math.MaxFloat64, "nan": math.NaN(), "inf": math.Inf(1), "minus-inf": math.Inf(-1),
		"date": time.Date(2026, 11, 22, 18, 0, 1, 0, time.UTC), "year-0": time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC),
		"data": []byte{0, 255}, "no-data": []byte{}, "array": plist.Array{int64(1), "a", plist.Array{}, dict()}, "dict": dict("a", dict("b", true), "c", dict()),
		"like-a-date": dict("$date", "2026-11-22T18:00:00Z"), "like-a-tag": dict("$data", int64(1)), "like-a-dict": dict("$dict", dict("$dict", dict())),
		"like-two": dict("$date", "x", "$data", "y"), "tag-among-others": dict("$real", "nan", "a", true),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := encodeAny(decodeAny(v))
			if err != nil || !plist.Equal(got, v) {
				t.Errorf("got %s, %v; want %s", plist.Short(got), err, plist.Short(v))
			}
		})
	}
}

func TestPlistFunctions(t *testing.T) {
	t.Parallel()
	binary := base64.StdEncoding.EncodeToString([]byte("bplist00\xd1\x01\x02SkeyQv" +
		"\x08\x0b\x0f\x00\x00\x00\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x11"))
	const head = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
`
	gives := func(expression, want string) resource.TestStep {
		return resource.TestStep{
			Config:            fmt.Sprintf("output \"test\" {\n  value = %s\n}\n", expression),
			ConfigStateChecks: []statecheck.StateCheck{statecheck.ExpectKnownOutputValue("test", knownvalue.StringExact(want))},
		}
	}
	fails := func(expression, want string) resource.TestStep {
		return resource.TestStep{Config: fmt.Sprintf("output \"test\" {\n  value = %s\n}\n", expression), ExpectError: wrapped(want)}
	}
	encode := func(value string) string { return "provider::macos::plist_encode(" + value + ")" }
	decode := func(text string) string { return fmt.Sprintf("jsonencode(provider::macos::plist_decode(%q))", text) }
	const everything = `{ s = "a", b = true, i = 18446744073709551615, r = 0.1, w = { "$real" = 2 }, d = { "$date" = "2026-11-22T18:00:00Z" }, ` +
		`x = { "$data" = "AAEC" }, l = [1, "a", []], o = { o = {} } }`
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		TerraformVersionChecks:   []tfversion.TerraformVersionCheck{tfversion.SkipBelow(tfversion.Version1_8_0)},
		Steps: []resource.TestStep{
			gives(encode(`{ Label = "a", Nice = 5, None = null, Ratio = 0.5, On = tobool("true"), List = toset(["b", "a"]) }`), head+
				"<dict>\n\t<key>Label</key>\n\t<string>a</string>\n\t<key>List</key>\n\t<array>\n\t\t<string>a</string>\n\t\t<string>b</string>\n\t</array>\n"+
				"\t<key>Nice</key>\n\t<integer>5</integer>\n\t<key>On</key>\n\t<true/>\n\t<key>Ratio</key>\n\t<real>0.5</real>\n</dict>\n</plist>\n"),
			gives(encode(`{ "$date" = "2026-11-22T19:00:00+01:00" }`), head+"<date>2026-11-22T18:00:00Z</date>\n</plist>\n"),
			gives(fmt.Sprintf("jsonencode(provider::macos::plist_decode(%s)) == jsonencode(%s) ? \"same\" : \"other\"", encode(everything), everything), "same"),
			gives(decode(head+"<dict><key>a</key><array><integer>1</integer><real>1</real></array></dict></plist>"), `{"a":[1,{"$real":1}]}`),
			gives(decode(binary), `{"key":"v"}`),
			gives(decode(base64.StdEncoding.EncodeToString([]byte(head+"<true/></plist>"))), `true`),
			fails(decode("{}"), `neither an XML nor a binary`),
			fails(decode("<plist>\n<true></true></plist>"), `line 2: <true> must be written <true/>`),
			fails(decode("YnBsaXN0MDA="), `cut short`),
			fails(encode(`{ a = [{ b = [null] }] }`), `a: \[0\]: b: \[0\]: it is null`),
			fails(encode(`1e30`), `does not fit into an integer of 64 bits`),
			fails(encode(`{ "$date" = "today" }`), `is not a date such as`),
			fails(encode(`{ "$data" = "?" }`), `not base64`),
			fails(encode(`"\u0001"`), `U\+0001`),
		},
	})
}

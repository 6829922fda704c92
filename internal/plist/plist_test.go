package plist

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// everything has every type, with their edges.
var everything = Dict{
	{"Label", "com.acme.agent"},
	{"ProgramArguments", Array{"/bin/sh", "-c", "echo \"a & b\" <x >y\n\techo 'ümläut 🚀'\r\n"}},
	{"Nothing", Array{}},
	{"NothingElse", Dict{}},
	{"Empty", ""},
	{"Nested", Dict{{"One", Array{Dict{{"Two", true}}, Array{false}}}}},
	{"Zero", int64(0)},
	{"Smallest", int64(math.MinInt64)},
	{"Largest", uint64(math.MaxUint64)},
	{"LargestSigned", int64(math.MaxInt64)},
	{"Real", 1.5},
	{"WholeReal", 2.0},
	{"TinyReal", 5e-324},
	{"When", time.Date(2026, 11, 22, 18, 0, 1, 0, time.UTC)},
	{"Data", []byte("0123456789012345678901234567890123456789012345678901234567890123456789")},
	{"NoData", []byte{}},
}

const everythingXML = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>com.acme.agent</string>
	<key>ProgramArguments</key>
	<array>
		<string>/bin/sh</string>
		<string>-c</string>
		<string>echo "a &amp; b" &lt;x &gt;y
	echo 'ümläut 🚀'&#13;
</string>
	</array>
	<key>Nothing</key>
	<array/>
	<key>NothingElse</key>
	<dict/>
	<key>Empty</key>
	<string></string>
	<key>Nested</key>
	<dict>
		<key>One</key>
		<array>
			<dict>
				<key>Two</key>
				<true/>
			</dict>
			<array>
				<false/>
			</array>
		</array>
	</dict>
	<key>Zero</key>
	<integer>0</integer>
	<key>Smallest</key>
	<integer>-9223372036854775808</integer>
	<key>Largest</key>
	<integer>18446744073709551615</integer>
	<key>LargestSigned</key>
	<integer>9223372036854775807</integer>
	<key>Real</key>
	<real>1.5</real>
	<key>WholeReal</key>
	<real>2</real>
	<key>TinyReal</key>
	<real>5e-324</real>
	<key>When</key>
	<date>2026-11-22T18:00:01Z</date>
	<key>Data</key>
	<data>
	MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkw
	MTIzNDU2Nzg5MDEyMzQ1Njc4OQ==
	</data>
	<key>NoData</key>
	<data>
	</data>
</dict>
</plist>
`

func TestEncode(t *testing.T) {
	got, err := Encode(everything)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(everythingXML, string(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestEncodeRefused(t *testing.T) {
	deep := Value("bottom")
	for range 200 {
		deep = Array{deep}
	}
	for name, v := range map[string]Value{
		"nothing": nil, "int": 1, "strings": Array{[]string{"a"}}, "control": "a\x00b", "bell": Dict{{"a\a", true}},
		"no-utf8": "\xff", "twice": Dict{{"a", true}, {"a", true}}, "deep": deep,
	} {
		if got, err := Encode(v); err == nil {
			t.Errorf("%s: no error, but %s", name, got)
		}
	}
}

func TestDecode(t *testing.T) {
	wrap := func(v string) string { return "<plist version=\"1.0\">" + v + "</plist>" }
	for name, test := range map[string]struct {
		text string
		want Value
	}{
		"everything":    {everythingXML, everything},
		"newline-first": {"\n" + everythingXML, everything},
		"crlf":          {strings.ReplaceAll(wrap("<dict>\n<key>a</key>\n<true/></dict>"), "\n", "\r\n"), Dict{{"a", true}}},
		"bom":           {"\ufeff" + wrap("<true/>"), true},
		"ascii":         {`<?xml version="1.0" encoding="US-ASCII"?>` + wrap("<true/>"), true},
		"comments":      {"<!-- a --><plist><!-- b --><dict><!-- c --><key>a</key><!-- d --><true/></dict></plist><!-- e -->", Dict{{"a", true}}},
		"cdata":         {wrap("<string><![CDATA[a <b> &c;]]></string>"), "a <b> &c;"},
		"references":    {wrap("<string>&lt;&gt;&amp;&apos;&quot;&#65;&#x42;</string>"), `<>&'"AB`},
		"blanks-kept":   {wrap("<string> a\n b </string>"), " a\n b "},
		"hexadecimal":   {wrap("<integer>0x1F</integer>"), int64(31)},
		"signed":        {wrap("<integer> + 7</integer>"), int64(7)},
		"negative":      {wrap("<integer>-0x10</integer>"), int64(-16)},
		"leading-zeros": {wrap("<integer>007</integer>"), int64(7)},
		"real-exponent": {wrap("<real>-1.5E3</real>"), -1500.0},
		"infinite":      {wrap("<real>-infinity</real>"), math.Inf(-1)},
		"nan":           {wrap("<real>nan</real>"), math.NaN()},
		"signed-nan":    {wrap("<real>+NaN</real>"), math.NaN()},
		"empty-forms":   {wrap("<array><string/><data/><dict/><array/></array>"), Array{"", []byte{}, Dict{}, Array{}}},
		"data-blanks":   {wrap("<data>\n\tAAEC\n\tAwQ=\n</data>"), []byte{0, 1, 2, 3, 4}},
		"spaced-true":   {wrap("<true />"), true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Decode([]byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range Diff(test.want, got) {
				t.Error(c)
			}
		})
	}
}

func TestDecodeKeepsOrder(t *testing.T) {
	got, err := Decode([]byte("<plist><dict><key>b</key><true/><key>a</key><false/></dict></plist>"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Dict{{"b", true}, {"a", false}}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestDecodeRefused(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		line int
		want string
	}{
		"empty":           {"", 1, "empty"},
		"blank":           {" \n\n", 1, "empty"},
		"json":            {"\n{\"Label\": \"a\"}", 2, "JSON"},
		"old-style":       {"( a, b )", 1, "old-style"},
		"plain-text":      {"hello", 1, "neither"},
		"html":            {"<html><body></body></html>", 1, "<plist>"},
		"no-plist":        {"<dict/>", 1, "<plist>"},
		"no-value":        {"<plist>\n</plist>", 2, "<plist> is empty"},
		"two-values":      {"<plist><true/>\n<false/></plist>", 2, "second value"},
		"trailing":        {"<plist><true/></plist>\nhello", 2, "outside of <plist>"},
		"second-root":     {"<plist><true/></plist>\n<plist><true/></plist>", 2, "follows after </plist>"},
		"true-true":       {"<plist><dict>\n<key>RunAtLoad</key>\n<true></true></dict></plist>", 3, "must be written <true/>"},
		"false-text":      {"<plist><false>no</false></plist>", 1, "must be written <false/>"},
		"key-twice":       {"<plist><dict>\n<key>a</key><true/>\n<key>a</key><true/></dict></plist>", 3, `"a" occurs twice`},
		"key-only":        {"<plist><dict>\n<key>a</key>\n</dict></plist>", 3, `"a" has no value`},
		"two-keys":        {"<plist><dict>\n<key>a</key>\n<key>b</key><true/></dict></plist>", 3, `"a" has no value`},
		"value-only":      {"<plist><dict>\n<true/></dict></plist>", 2, "a <key> is expected"},
		"key-in-array":    {"<plist><array>\n<key>a</key></array></plist>", 2, "a <key> stands"},
		"unknown-element": {"<plist>\n<int>1</int></plist>", 2, "<int>"},
		"namespace":       {"<plist xmlns:a='b'>\n<a:true/></plist>", 2, "<b:true>"},
		"text-in-dict":    {"<plist><dict>\nRunAtLoad<true/></dict></plist>", 2, "text inside <dict>"},
		"element-in-leaf": {"<plist><string>a\n<b/></string></plist>", 2, "<b> inside <string>"},
		"comment-in-leaf": {"<plist><string>a\n<!-- b --></string></plist>", 2, "comment"},
		"cut-short":       {"<plist>\n<dict>\n<key>a</key>", 3, "ends in the middle"},
		"cut-in-tag":      {"<plist>\n<dic", 2, "ends in the middle"},
		"wrong-end":       {"<plist>\n<dict></array></plist>", 2, "closed by"},
		"no-integer":      {"<plist>\n<integer>ten</integer></plist>", 2, "not an integer"},
		"empty-integer":   {"<plist>\n<integer/></plist>", 2, "not an integer"},
		"blank-behind":    {"<plist>\n<integer>1 </integer></plist>", 2, "not an integer"},
		"65-bits":         {"<plist>\n<integer>18446744073709551616</integer></plist>", 2, "64 bits"},
		"minus-65-bits":   {"<plist>\n<integer>-9223372036854775809</integer></plist>", 2, "64 bits"},
		"no-real":         {"<plist>\n<real>0x1p3</real></plist>", 2, "not a number"},
		"real-overflow":   {"<plist>\n<real>1e999</real></plist>", 2, "64 bits"},
		"no-date":         {"<plist>\n<date>yesterday</date></plist>", 2, "not a date"},
		"date-fraction":   {"<plist>\n<date>2026-11-22T18:00:00.5Z</date></plist>", 2, "not a date"},
		"no-base64":       {"<plist>\n<data>a</data></plist>", 2, "not base64"},
		"entity":          {"<!DOCTYPE plist [<!ENTITY a \"b\">]>\n<plist><string>&a;</string></plist>", 2, "&a;"},
		"no-utf8":         {"<plist><string>\xe4</string></plist>", 1, "UTF-8"},
		"latin1":          {"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><plist><true/></plist>", 1, "ISO-8859-1"},
		"control":         {"<plist>\n<string>\x01</string></plist>", 2, "U+0001"},
		"deep":            {"<plist>" + strings.Repeat("<array>", 1000), 1, "nested more than 128"},
		"large":           {"<plist><string>" + strings.Repeat("a", 5<<20) + "</string></plist>", 0, "larger than 4 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := Decode([]byte(test.text))
			var syntax *SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("got %s and error %v", Short(v), err)
			}
			if syntax.Line != test.line || !strings.Contains(syntax.Message, test.want) {
				t.Errorf("got line %d, %q; want line %d, %q", syntax.Line, syntax.Message, test.line, test.want)
			}
		})
	}
}

func TestEqual(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		a, b Value
		want bool
	}{
		"order-in-dict":    {Dict{{"a", true}, {"b", "x"}}, Dict{{"b", "x"}, {"a", true}}, true},
		"order-in-array":   {Array{"a", "b"}, Array{"b", "a"}, false},
		"integer-and-bool": {int64(1), true, false},
		"integer-and-real": {int64(1), 1.0, false},
		"integer-and-text": {int64(1), "1", false},
		"unsigned":         {int64(1), uint64(1), true},
		"missing-key":      {Dict{{"a", true}}, Dict{}, false},
		"empty-and-none":   {Array{}, nil, false},
		"none":             {nil, nil, true},
		"date-zones":       {now, now.In(time.FixedZone("", 3600)), true},
		"data":             {[]byte{1}, []byte{1}, true},
		"data-and-text":    {[]byte("a"), "a", false},
	} {
		if got := Equal(test.a, test.b); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
		if got := Equal(test.b, test.a); got != test.want {
			t.Errorf("%s, the other way round: %t", name, got)
		}
	}
}

func TestDiff(t *testing.T) {
	a := Dict{
		{"Label", "a"},
		{"StartInterval", int64(900)},
		{"RunAtLoad", true},
		{"ProgramArguments", Array{"/bin/sh", "-c"}},
		{"KeepAlive", Dict{{"SuccessfulExit", false}}},
		{"WatchPaths", Array{"/a", "/b"}},
		{"EnvironmentVariables", Dict{{"a.b", "1"}}},
		{"Gone", 1.0},
	}
	b := Dict{
		{"EnvironmentVariables", Dict{{"a.b", "2"}}},
		{"Label", "a"},
		{"StartInterval", int64(300)},
		{"RunAtLoad", "true"},
		{"ProgramArguments", Array{"/bin/sh", "-c", strings.Repeat("x", 100)}},
		{"KeepAlive", true},
		{"WatchPaths", Array{"/a"}},
		{"New", []byte("abc")},
	}
	want := []string{
		`StartInterval: 900 -> 300`,
		`RunAtLoad: true -> "true"`,
		`ProgramArguments[2]: nothing -> "` + strings.Repeat("x", 60) + `"...`,
		`KeepAlive: {SuccessfulExit = false} -> true`,
		`WatchPaths[1]: "/b" -> nothing`,
		`EnvironmentVariables."a.b": "1" -> "2"`,
		`Gone: 1.0 -> nothing`,
		`New: nothing -> 3 bytes of data`,
	}
	var got []string
	for _, c := range Diff(a, b) {
		got = append(got, c.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if changes := Diff(a, a); changes != nil {
		t.Errorf("a differs from itself: %v", changes)
	}
}

// FuzzDecode looks for input that makes Decode panic or run away, and for values that do not survive being written.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(everythingXML))
	f.Add(binaryOf(everything))
	f.Add([]byte("<plist><true></true></plist>"))
	f.Add([]byte("<plist><dict><key>a</key><real>+nan</real></dict></plist>"))
	f.Add(assemble([]byte{0xA2, 0, 1, 0, 1}, []byte{0xD1, 0, 2, 0, 2}, []byte{0x51, 'a'}))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := Decode(data)
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("the error is a %T: %v", err, err)
			}
			return
		}
		text, err := Encode(v)
		if err != nil {
			if strings.HasPrefix(string(data), "bplist") {
				return // a binary one may hold strings that XML cannot carry
			}
			t.Fatalf("cannot write what was read: %v", err)
		}
		again, err := Decode(text)
		if err != nil {
			if len(text) > maxSize {
				return
			}
			t.Fatalf("cannot read what was written: %v\n%s", err, text)
		}
		if changes := Diff(v, again); len(changes) > 0 || !Equal(v, again) {
			t.Fatalf("changed by being written: %v", changes)
		}
	})
}

// What is as large, as deep or as entangled as it may be ends soon, in a value or in an error.
func TestHostile(t *testing.T) {
	wrap := func(v string) []byte { return []byte("<plist>" + v + "</plist>") }
	entities := "<!DOCTYPE plist [<!ENTITY a0 \"ha\">"
	for i := range 30 {
		entities += fmt.Sprintf("<!ENTITY a%d \"&a%d;&a%d;\">", i+1, i, i)
	}
	keys := strings.Builder{}
	for i := range 100000 {
		fmt.Fprintf(&keys, "<key>%d</key><true/>", i)
	}
	shared := [][]byte{{0xAF, 0x11, 0x0F, 0xFF}}
	for range 0xFFF {
		shared[0] = append(shared[0], 0, 1)
	}
	shared = append(shared, append([]byte{0xAF, 0x11, 0x0F, 0xFF}, bytes.Repeat([]byte{0, 2}, 0xFFF)...), []byte{0x09})
	for name, test := range map[string]struct {
		data  []byte
		fails bool
	}{
		"laughs":        {[]byte(entities + "]><plist><string>&a30;</string></plist>"), true},
		"external":      {[]byte(`<!DOCTYPE plist [<!ENTITY a SYSTEM "file:///etc/passwd">]><plist><string>&a;</string></plist>`), true},
		"parameter":     {[]byte(`<!DOCTYPE plist [<!ENTITY % a SYSTEM "http://127.0.0.1/"> %a;]><plist><string>a</string></plist>`), false},
		"deep":          {[]byte("<plist>" + strings.Repeat("<array>", 500000)), true},
		"deep-unknown":  {[]byte(strings.Repeat("<a>", 1000000)), true},
		"many-values":   {wrap("<array>" + strings.Repeat("<true/>", 590000) + "</array>"), false},
		"many-keys":     {wrap("<dict>" + keys.String() + "</dict>"), false},
		"long-string":   {wrap("<string>" + strings.Repeat("&#65;", 800000) + "</string>"), false},
		"long-comment":  {wrap("<true/><!--" + strings.Repeat("-", 4000000)), true},
		"long-attr":     {[]byte("<plist a='" + strings.Repeat("b", 4000000) + "'><true/></plist>"), false},
		"many-attrs":    {[]byte("<plist " + strings.Repeat("a='' ", 800000) + "><true/></plist>"), false},
		"many-comments": {wrap(strings.Repeat("<!---->", 590000) + "<true/>"), false},
		"long-integer":  {wrap("<integer>" + strings.Repeat("1", 4000000) + "</integer>"), true},
		"long-real":     {wrap("<real>1e-" + strings.Repeat("9", 4000000) + "</real>"), false},
		"shared":        {assemble(shared...), true},
	} {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			v, err := Decode(test.data)
			if (err != nil) != test.fails {
				t.Errorf("got %s, %.100v", Short(v), err)
			}
			if took := time.Since(begin); took > 20*time.Second { // a fraction of a second, unless the machine is busy
				t.Errorf("it took %s", took)
			} else {
				t.Logf("%s, %d bytes", took, len(test.data))
			}
		})
	}
}

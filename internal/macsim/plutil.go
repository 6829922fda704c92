package macsim

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

// plutil is /usr/bin/plutil: -lint, -convert and -extract. Not modelled: -insert, -replace, -remove, -type, -p, writing binary
// property lists. What it reads beyond launchd: <true></true>, and JSON where it converts.
func plutil(_ context.Context, m *Mac, p *process) int {
	args := p.Args[1:]
	verb := ""
	var words, files []string
	out := ""
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			files = append(files, args[i+1:]...)
			i = len(args)
		case arg == "-lint", arg == "-convert", arg == "-extract":
			verb = arg
			take := map[string]int{"-convert": 1, "-extract": 2}[arg]
			if i+take >= len(args) {
				return p.errorf("too few arguments for %s", arg)
			}
			words = args[i+1 : i+1+take]
			i += take
		case arg == "-o" && i+1 < len(args):
			i++
			out = args[i]
		case arg == "-s", arg == "-n":
		case strings.HasPrefix(arg, "-") && arg != "-":
			return p.errorf("unrecognized option: %s", arg)
		default:
			files = append(files, arg)
		}
	}
	if len(files) == 0 {
		return p.errorf("No files specified.")
	}
	exit := 0
	for _, file := range files {
		if !m.plutilFile(p, file, verb, words, out) {
			exit = 1
		}
	}
	return exit
}

// plutilFile does it for one file. It reports whether it could.
func (m *Mac) plutilFile(p *process, file, verb string, words []string, out string) bool {
	name := file
	if file == "-" {
		name = "<stdin>"
	}
	say := func(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, name+": "+format+"\n", args...) }
	in, err := m.input(p, file)
	var text []byte
	if err == nil {
		text, err = io.ReadAll(in)
	}
	if err != nil {
		say(p.Stderr, "file does not exist or is not readable or is not a regular file (Error: %v)", err)
		return false
	}
	v, err := readProperties(text, verb != "-lint" && verb != "")
	switch {
	case err != nil && (verb == "-lint" || verb == ""):
		say(p.Stdout, "%v", err)
		return false
	case err != nil:
		say(p.Stderr, "Property List error: %v / JSON error: JSON text did not start with array or object and option to allow "+
			"fragments not set. around line 1, column 0.", err)
		return false
	case verb == "-lint", verb == "":
		say(p.Stdout, "OK")
		return true
	}
	format := words[len(words)-1]
	if verb == "-extract" {
		if v = extract(v, words[0]); v == nil {
			say(p.Stderr, "Could not extract value, error: No value at that key path or invalid key path: %s", words[0])
			return false
		}
	}
	result, err := writeProperties(v, format)
	if err != nil {
		say(p.Stderr, "%v", err)
		return false
	}
	if out == "" {
		out = file
	}
	if out == "-" {
		_, err = p.Stdout.Write(result)
	} else {
		err = m.overwrite(p, out, result)
	}
	if err != nil {
		say(p.Stderr, "%v", err)
	}
	return err == nil
}

func (m *Mac) overwrite(p *process, name string, content []byte) error {
	f, err := m.open(p, name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return err
}

// readProperties reads a property list as CoreFoundation does, and JSON if json is set. The error is in plutil's words
// where they are known.
func readProperties(text []byte, alsoJSON bool) (plist.Value, error) {
	for _, word := range []string{"true", "false"} {
		text = bytes.ReplaceAll(text, []byte("<"+word+"></"+word+">"), []byte("<"+word+"/>"))
	}
	v, err := plist.Decode(text)
	if err == nil {
		return v, nil
	}
	if alsoJSON {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		var value any
		if d.Decode(&value) == nil {
			return fromJSON(value), nil
		}
	}
	var syntax *plist.SyntaxError
	if !errors.As(err, &syntax) || syntax.Line == 0 {
		return nil, err
	}
	for _, known := range [][2]string{
		{"a <key> is expected", "Found non-key inside <dict>"},
		{"has no value", "Value missing for key inside <dict>"},
		{"ends in the middle", "Encountered unexpected EOF"},
	} {
		if strings.Contains(syntax.Message, known[0]) {
			return nil, fmt.Errorf("%s at line %d", known[1], syntax.Line)
		}
	}
	return nil, fmt.Errorf("%s at line %d", syntax.Message, syntax.Line)
}

func fromJSON(v any) plist.Value {
	switch v := v.(type) {
	case map[string]any:
		dict := plist.Dict{}
		for k, e := range v {
			dict = append(dict, plist.Entry{Key: k, Value: fromJSON(e)})
		}
		return sortedValue(dict)
	case []any:
		array := plist.Array{}
		for _, e := range v {
			array = append(array, fromJSON(e))
		}
		return array
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	}
	return v
}

// extract is the value at a key path: keys and places joined by dots; \. is a dot in a key. Nil when there is none.
func extract(v plist.Value, path string) plist.Value {
	const dot = "\x00"
	for _, part := range strings.Split(strings.ReplaceAll(path, `\.`, dot), ".") {
		part = strings.ReplaceAll(part, dot, ".")
		switch of := v.(type) {
		case plist.Dict:
			v = of.Get(part)
		case plist.Array:
			n, err := strconv.Atoi(part)
			if err != nil || n < 0 || n >= len(of) {
				return nil
			}
			v = of[n]
		default:
			return nil
		}
	}
	return v
}

func writeProperties(v plist.Value, format string) ([]byte, error) {
	switch format {
	case "xml1":
		return plist.Encode(sortedValue(v))
	case "raw":
		return []byte(raw(v) + "\n"), nil
	case "json":
		return json.Marshal(toJSON(v))
	case "binary1":
		return nil, errors.New("macsim: plutil writes no binary property lists")
	}
	return nil, fmt.Errorf("Unknown format specifier: %s", format) //nolint:staticcheck // plutil's words
}

// raw is -extract raw: of an array the number of its elements, of a dictionary its keys.
func raw(v plist.Value) string {
	switch v := v.(type) {
	case plist.Dict:
		var keys []string
		for _, e := range v {
			keys = append(keys, e.Key)
		}
		slices.Sort(keys)
		return strings.Join(keys, "\n")
	case plist.Array:
		return strconv.Itoa(len(v))
	case []byte:
		return base64.StdEncoding.EncodeToString(v)
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	}
	return fmt.Sprint(v)
}

func toJSON(v plist.Value) any {
	switch v := v.(type) {
	case plist.Dict:
		object := map[string]any{}
		for _, e := range v {
			object[e.Key] = toJSON(e.Value)
		}
		return object
	case plist.Array:
		list := []any{}
		for _, e := range v {
			list = append(list, toJSON(e))
		}
		return list
	}
	return v
}

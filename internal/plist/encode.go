package plist

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const head = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
`

// Encode writes v as an XML property list in the layout of Apple's own tools, but for the order of keys, which is v's.
// It fails when v holds what is no Value, a string that XML cannot carry (control characters, invalid UTF-8), or a key twice.
func Encode(v Value) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(head)
	if err := encode(&b, v, 0); err != nil {
		return nil, err
	}
	b.WriteString("</plist>\n")
	return b.Bytes(), nil
}

func encode(b *bytes.Buffer, v Value, depth int) error {
	if depth >= maxDepth {
		return fmt.Errorf("values are nested more than %d deep", maxDepth)
	}
	indent := strings.Repeat("\t", depth)
	b.WriteString(indent)
	switch v := v.(type) {
	case string:
		text, err := escape(v)
		if err != nil {
			return err
		}
		b.WriteString("<string>" + text + "</string>\n")
	case int64:
		fmt.Fprintf(b, "<integer>%d</integer>\n", v)
	case uint64:
		fmt.Fprintf(b, "<integer>%d</integer>\n", v)
	case float64:
		b.WriteString("<real>" + formatReal(v) + "</real>\n")
	case bool:
		fmt.Fprintf(b, "<%t/>\n", v)
	case time.Time:
		b.WriteString("<date>" + v.UTC().Format(dateForm) + "</date>\n")
	case []byte:
		b.WriteString("<data>\n")
		// Apple's lines are 76 columns wide, a tab counting 8.
		width := max(76-8*depth, 8) / 4 * 4
		for text := base64.StdEncoding.EncodeToString(v); text != ""; {
			line := text[:min(width, len(text))]
			text = text[len(line):]
			b.WriteString(indent + line + "\n")
		}
		b.WriteString(indent + "</data>\n")
	case Array:
		return encodeArray(b, v, depth, indent)
	case Dict:
		return encodeDict(b, v, depth, indent)
	default:
		return fmt.Errorf("a property list cannot hold a %T", v)
	}
	return nil
}

func encodeArray(b *bytes.Buffer, array Array, depth int, indent string) error {
	if len(array) == 0 {
		b.WriteString("<array/>\n")
		return nil
	}
	b.WriteString("<array>\n")
	for _, v := range array {
		if err := encode(b, v, depth+1); err != nil {
			return err
		}
	}
	b.WriteString(indent + "</array>\n")
	return nil
}

func encodeDict(b *bytes.Buffer, dict Dict, depth int, indent string) error {
	if len(dict) == 0 {
		b.WriteString("<dict/>\n")
		return nil
	}
	seen := map[string]bool{}
	b.WriteString("<dict>\n")
	for _, e := range dict {
		key, err := escape(e.Key)
		if err != nil {
			return err
		}
		if seen[e.Key] {
			return fmt.Errorf("the key %q occurs twice", e.Key)
		}
		seen[e.Key] = true
		b.WriteString(indent + "\t<key>" + key + "</key>\n")
		if err := encode(b, e.Value, depth+1); err != nil {
			return fmt.Errorf("%s: %w", e.Key, err)
		}
	}
	b.WriteString(indent + "</dict>\n")
	return nil
}

// escape makes text of s. A carriage return becomes a reference, since a parser makes newlines of bare ones.
func escape(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", fmt.Errorf("the string %.40q is not UTF-8", s)
	}
	for _, c := range s {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == '\ufffe' || c == '\uffff' {
			return "", fmt.Errorf("the string %.40q holds the character %U, which XML cannot carry", s, c)
		}
	}
	return escapes.Replace(s), nil
}

var escapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#13;")

func formatReal(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "+infinity"
	case math.IsInf(f, -1):
		return "-infinity"
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

package plist

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// xmlReader reads one XML property list.
type xmlReader struct {
	data   []byte
	tokens *xml.Decoder
}

func decodeXML(data []byte) (Value, error) {
	if !utf8.Valid(data) {
		return nil, &SyntaxError{Line: 1, Message: "the property list is not UTF-8"}
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	r := &xmlReader{data: data, tokens: xml.NewDecoder(bytes.NewReader(data))}
	r.tokens.CharsetReader = func(charset string, in io.Reader) (io.Reader, error) {
		if strings.EqualFold(charset, "us-ascii") {
			return in, nil
		}
		return nil, fmt.Errorf("its encoding is %q; only UTF-8 is supported", charset)
	}
	v, err := r.document()
	if err != nil {
		return nil, r.located(err)
	}
	return v, nil
}

// located gives every error a line.
func (r *xmlReader) located(err error) error {
	var ours *SyntaxError
	var theirs *xml.SyntaxError
	switch {
	case errors.As(err, &ours):
		return ours
	case errors.Is(err, io.EOF), errors.As(err, &theirs) && strings.Contains(theirs.Msg, "unexpected EOF"):
		return r.errorf("the property list ends in the middle")
	case errors.As(err, &theirs):
		return &SyntaxError{Line: theirs.Line, Message: theirs.Msg}
	}
	return r.errorf("%v", err)
}

func (r *xmlReader) errorf(format string, args ...any) error {
	line, _ := r.tokens.InputPos()
	return &SyntaxError{Line: line, Message: fmt.Sprintf(format, args...)}
}

// document reads <plist>VALUE</plist> and what may stand around it.
func (r *xmlReader) document() (Value, error) {
	plist, err := r.element("")
	if err != nil {
		return nil, err
	}
	if plist == nil || plist.Name.Local != "plist" {
		return nil, r.errorf("the property list does not begin with <plist>")
	}
	root, err := r.element("plist")
	if err != nil {
		return nil, err
	}
	if root == nil {
		return nil, r.errorf("<plist> is empty")
	}
	v, err := r.value(root, 1)
	if err != nil {
		return nil, err
	}
	second, err := r.element("plist")
	if err != nil {
		return nil, err
	}
	if second != nil {
		return nil, r.errorf("a second value, <%s>, follows the first one inside <plist>", second.Name.Local)
	}
	if next, err := r.element(""); !errors.Is(err, io.EOF) {
		if err == nil && next != nil {
			err = r.errorf("<%s> follows after </plist>", next.Name.Local)
		}
		return nil, err
	}
	return v, nil
}

// element skips blanks and comments up to the next element inside the element named in; nil when that one ends instead.
// The empty name is the document, at whose end the error is io.EOF.
func (r *xmlReader) element(in string) (*xml.StartElement, error) {
	for {
		token, err := r.tokens.Token()
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Space != "" {
				return nil, r.errorf("<%s:%s> is no element of a property list", token.Name.Space, token.Name.Local)
			}
			return &token, nil
		case xml.EndElement:
			return nil, nil
		case xml.CharData:
			if text := strings.TrimSpace(string(token)); text != "" {
				if in == "" {
					return nil, r.errorf("text outside of <plist>: %.40q", text)
				}
				return nil, r.errorf("text inside <%s>: %.40q", in, text)
			}
		}
	}
}

// text reads what is inside a leaf, up to its end. Comments there are refused, as CoreFoundation does.
func (r *xmlReader) text(in string) (string, error) {
	var text strings.Builder
	for {
		token, err := r.tokens.Token()
		if err != nil {
			return "", err
		}
		switch token := token.(type) {
		case xml.CharData:
			text.Write(token)
		case xml.EndElement:
			return text.String(), nil
		case xml.StartElement:
			return "", r.errorf("<%s> inside <%s>", token.Name.Local, in)
		default:
			return "", r.errorf("a comment or an instruction inside <%s>", in)
		}
	}
}

// value reads the value that start begins.
func (r *xmlReader) value(start *xml.StartElement, depth int) (Value, error) {
	if depth > maxDepth {
		return nil, r.errorf("values are nested more than %d deep", maxDepth)
	}
	name := start.Name.Local
	switch name {
	case "dict":
		return r.dict(depth)
	case "array":
		return r.array(depth)
	case "true", "false":
		return r.boolean(name)
	case "string", "integer", "real", "date", "data":
		line, _ := r.tokens.InputPos()
		text, err := r.text(name)
		if err != nil {
			return nil, err
		}
		v, err := leaf(name, text)
		if err != nil {
			return nil, &SyntaxError{Line: line, Message: fmt.Sprintf("<%s>%.40s</%s>: %v", name, text, name, err)}
		}
		return v, nil
	case "key":
		return nil, r.errorf("a <key> stands where a value is expected")
	}
	return nil, r.errorf("<%s> is no element of a property list", name)
}

func (r *xmlReader) dict(depth int) (Value, error) {
	dict, seen := Dict{}, map[string]bool{}
	for {
		start, err := r.element("dict")
		if err != nil || start == nil {
			return dict, err
		}
		if start.Name.Local != "key" {
			return nil, r.errorf("<%s> stands inside <dict> where a <key> is expected", start.Name.Local)
		}
		key, err := r.text("key")
		if err != nil {
			return nil, err
		}
		if seen[key] {
			return nil, r.errorf("the key %q occurs twice in one <dict>", key)
		}
		seen[key] = true
		switch start, err = r.element("dict"); {
		case err != nil:
			return nil, err
		case start == nil:
			return nil, r.errorf("the key %q has no value", key)
		case start.Name.Local == "key":
			return nil, r.errorf("the key %q has no value: another <key> follows", key)
		}
		v, err := r.value(start, depth+1)
		if err != nil {
			return nil, err
		}
		dict = append(dict, Entry{Key: key, Value: v})
	}
}

func (r *xmlReader) array(depth int) (Value, error) {
	array := Array{}
	for {
		start, err := r.element("array")
		if err != nil || start == nil {
			return array, err
		}
		v, err := r.value(start, depth+1)
		if err != nil {
			return nil, err
		}
		array = append(array, v)
	}
}

// boolean takes <true/> only: launchd does not load <true></true>, although plutil accepts it (seen on macOS 10.14).
func (r *xmlReader) boolean(name string) (Value, error) {
	at := r.tokens.InputOffset()
	if at < 2 || r.data[at-2] != '/' {
		return nil, r.errorf("<%s> must be written <%s/>: launchd does not load <%s></%s>", name, name, name, name)
	}
	if _, err := r.text(name); err != nil {
		return nil, err
	}
	return name == "true", nil
}

// The forms of CoreFoundation: blanks may stand before a number and after its sign, not behind it.
var (
	integerForm = regexp.MustCompile(`^[ \t\r\n]*([+-]?)[ \t\r\n]*(0[xX][0-9a-fA-F]+|[0-9]+)$`)
	realForm    = regexp.MustCompile(`^(?i)[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?$|^(?i)[+-]?(nan|inf|infinity)$`)
)

const dateForm = "2006-01-02T15:04:05Z"

func leaf(name, text string) (Value, error) {
	switch name {
	case "integer":
		return integer(text)
	case "real":
		if text = strings.TrimSpace(text); !realForm.MatchString(text) {
			return nil, errors.New("not a number")
		}
		f, err := strconv.ParseFloat(text, 64)
		if err != nil && !strings.EqualFold(text[1:], "nan") {
			return nil, errors.New("the number does not fit into 64 bits")
		} else if err != nil {
			f = math.NaN() // with a sign
		}
		return f, nil
	case "date":
		t, err := time.Parse(dateForm, text)
		if err != nil || t.Format(dateForm) != text {
			return nil, errors.New("not a date such as 2026-11-22T18:00:00Z")
		}
		return t, nil
	case "data":
		data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
		if err != nil {
			return nil, errors.New("not base64")
		}
		return data, nil
	}
	return text, nil
}

func integer(text string) (Value, error) {
	form := integerForm.FindStringSubmatch(text)
	if form == nil {
		return nil, errors.New("not an integer")
	}
	digits, base := form[2], 10
	if len(digits) > 2 && (digits[1] == 'x' || digits[1] == 'X') {
		digits, base = digits[2:], 16
	}
	u, err := strconv.ParseUint(digits, base, 64)
	switch negative := form[1] == "-"; {
	case err != nil, negative && u > 1<<63:
		return nil, errors.New("the integer does not fit into 64 bits")
	case negative:
		return -int64(u), nil
	default:
		return canonical(u), nil
	}
}

package plist

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
)

// binaryOf writes v as a binary property list, as CoreFoundation does but without sharing objects.
func binaryOf(v Value) []byte {
	var objects [][]byte
	var add func(Value) uint16
	sized := func(kind byte, n int, body []byte) []byte {
		if n < 15 {
			return append([]byte{kind<<4 | byte(n)}, body...)
		}
		head := binary.BigEndian.AppendUint32([]byte{kind<<4 | 15, 0x12}, uint32(n))
		return append(head, body...)
	}
	add = func(v Value) uint16 {
		number := len(objects)
		objects = append(objects, nil)
		var o []byte
		switch v := v.(type) {
		case bool:
			o = []byte{0x08}
			if v {
				o[0] = 0x09
			}
		case int64:
			o = binary.BigEndian.AppendUint64([]byte{0x13}, uint64(v))
			if v >= 0 && v < 256 {
				o = []byte{0x10, byte(v)}
			}
		case uint64:
			o = binary.BigEndian.AppendUint64(append([]byte{0x14}, make([]byte, 8)...), v)
		case float64:
			o = binary.BigEndian.AppendUint64([]byte{0x23}, math.Float64bits(v))
		case time.Time:
			seconds := v.Sub(time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)).Seconds()
			o = binary.BigEndian.AppendUint64([]byte{0x33}, math.Float64bits(seconds))
		case []byte:
			o = sized(4, len(v), v)
		case string:
			o = sized(5, len(v), []byte(v))
			if strings.ContainsFunc(v, func(c rune) bool { return c >= 0x80 }) {
				units := utf16.Encode([]rune(v))
				var body []byte
				for _, u := range units {
					body = binary.BigEndian.AppendUint16(body, u)
				}
				o = sized(6, len(units), body)
			}
		case Array:
			var refs []byte
			for _, e := range v {
				refs = binary.BigEndian.AppendUint16(refs, add(e))
			}
			o = sized(0xA, len(v), refs)
		case Dict:
			var keys, values []byte
			for _, e := range v {
				keys = binary.BigEndian.AppendUint16(keys, add(e.Key))
				values = binary.BigEndian.AppendUint16(values, add(e.Value))
			}
			o = sized(0xD, len(v), append(keys, values...))
		}
		objects[number] = o
		return uint16(number)
	}
	add(v)
	return assemble(objects...)
}

// assemble makes a file of objects, the first being the top one, with references of two bytes.
func assemble(objects ...[]byte) []byte {
	out := []byte("bplist00")
	var table []byte
	for _, o := range objects {
		table = binary.BigEndian.AppendUint32(table, uint32(len(out)))
		out = append(out, o...)
	}
	offset := uint64(len(out))
	out = append(out, table...)
	out = append(out, 0, 0, 0, 0, 0, 0, 4, 2)
	out = binary.BigEndian.AppendUint64(out, uint64(len(objects)))
	out = binary.BigEndian.AppendUint64(out, 0)
	return binary.BigEndian.AppendUint64(out, offset)
}

func TestDecodeBinary(t *testing.T) {
	got, err := Decode(binaryOf(everything))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range Diff(everything, got) {
		t.Error(c)
	}
}

func TestDecodeBinaryRefused(t *testing.T) {
	array := func(refs ...uint16) []byte {
		o := []byte{0xA0 | byte(len(refs))}
		for _, r := range refs {
			o = binary.BigEndian.AppendUint16(o, r)
		}
		return o
	}
	var doubling, deep [][]byte
	for i := range 60 {
		doubling = append(doubling, array(uint16(i+1), uint16(i+1)))
	}
	for i := range 200 {
		deep = append(deep, array(uint16(i+1)))
	}
	big := append([]byte{0x4F, 0x12, 0x00, 0x10, 0x00, 0x00}, make([]byte, 1<<20)...)
	same := make([]uint16, 14)
	for i := range same {
		same[i] = 2
	}
	for name, test := range map[string]struct {
		data []byte
		want string
	}{
		"contains-itself": {assemble(array(1), array(0)), "contains itself"},
		"doubling":        {assemble(append(doubling, []byte{0x09})...), "too many"},
		"deep":            {assemble(append(deep, []byte{0x09})...), "nested more than"},
		"one-large-often": {assemble(array(1, 1), array(same...), big), "too large"},
		"no-such-object":  {assemble(array(7)), "no object 7"},
		"cut-short":       {binaryOf("hello")[:20], "cut short"},
		"string-too-long": {assemble([]byte{0x5F, 0x13, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}), "cut short"},
		"array-too-long":  {assemble([]byte{0xAF, 0x13, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}), "cut short"},
		"key-no-string":   {assemble([]byte{0xD1, 0, 1, 0, 1}, []byte{0x09}), "key is no string"},
		"key-twice":       {binaryOf(Dict{{"a", true}, {"a", false}}), `"a" occurs twice`},
		"uid":             {assemble([]byte{0x80, 1}), "UID"},
		"null":            {assemble([]byte{0x00}), "unknown type"},
		"128-bits":        {assemble(append([]byte{0x14, 1}, make([]byte, 15)...)), "64 bits"},
		"no-ascii":        {assemble([]byte{0x51, 0xE4}), "ASCII"},
		"date":            {assemble(binary.BigEndian.AppendUint64([]byte{0x33}, math.Float64bits(1e300))), "years"},
		"other-version":   {[]byte("bplist15" + strings.Repeat("x", 40)), "version 00"},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := Decode(test.data)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, %v; want an error with %q", Short(v), err, test.want)
			}
		})
	}
}

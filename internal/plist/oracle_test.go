package plist

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	oracle "howett.net/plist"
)

// theirs is a value as the other library has it, in our types; false for what we do not read at all.
func theirs(v any) (Value, bool) {
	switch v := v.(type) {
	case string, bool, float64, []byte:
		return v, true
	case float32:
		return float64(v), true
	case int64:
		return v, true
	case uint64:
		return canonical(v), true
	case time.Time:
		return v.UTC().Truncate(time.Second), true
	case []any:
		array := Array{}
		for _, e := range v {
			ours, ok := theirs(e)
			if !ok {
				return nil, false
			}
			array = append(array, ours)
		}
		return array, true
	case map[string]any:
		dict := Dict{}
		for key, e := range v {
			ours, ok := theirs(e)
			if !ok {
				return nil, false
			}
			dict = append(dict, Entry{key, ours})
		}
		return dict, true
	}
	return nil, false // a UID
}

// native is the reverse.
func native(v Value) any {
	switch v := v.(type) {
	case Array:
		all := []any{}
		for _, e := range v {
			all = append(all, native(e))
		}
		return all
	case Dict:
		all := map[string]any{}
		for _, e := range v {
			all[e.Key] = native(e.Value)
		}
		return all
	case time.Time: // its floating point falls short of a whole second now and then; half of one more is nothing to us
		return v.Add(time.Second / 2)
	}
	return v
}

// randomValue is any value, at most so deep.
func randomValue(r *rand.Rand, depth int) Value {
	words := []string{"", "a", "Label", "<&>\"'", "two\nlines", "tab\there", "\u00e9", "\U0001f34e", "$date", " blanks "}
	word := func() string { return words[r.IntN(len(words))] }
	switch n := r.IntN(9 + 3*min(depth, 1)); n {
	case 0:
		return word()
	case 1:
		return r.IntN(2) == 0
	case 2:
		return int64(r.Uint64()) >> r.IntN(64)
	case 3:
		return canonical(r.Uint64())
	case 4:
		return []float64{0, 1, -1.5, 0.1, 1e300, 5e-324, math.Inf(1), math.Inf(-1), math.NaN()}[r.IntN(9)]
	case 5:
		return math.Float64frombits(r.Uint64())
	case 6:
		return time.Unix(r.Int64N(1<<33), 0).UTC()
	case 7, 8:
		data := make([]byte, r.IntN(200))
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		return data
	case 9:
		array := Array{}
		for range r.IntN(20) {
			array = append(array, randomValue(r, depth-1))
		}
		return array
	}
	dict := Dict{}
	for range r.IntN(20) {
		if key := word() + word(); dict.Get(key) == nil {
			dict = append(dict, Entry{key, randomValue(r, depth-1)})
		}
	}
	return dict
}

// What we write, another library reads as the same; what it writes, XML or binary, we do.
func TestOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 2000 {
		v := randomValue(r, 4)
		text, err := Encode(v)
		if err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		var got any
		if _, err := oracle.Unmarshal(text, &got); err != nil {
			t.Fatalf("%d: the other library: %v\n%s", i, err, text)
		}
		if same, ok := theirs(got); !ok || !Equal(v, same) {
			t.Fatalf("%d: %v\n%s", i, Diff(v, same), text)
		}
		for _, format := range []int{oracle.XMLFormat, oracle.BinaryFormat} {
			text, err := oracle.Marshal(native(v), format)
			if err != nil { // it cannot write a binary NaN
				continue
			}
			got, err := Decode(text)
			if err != nil || !Equal(v, got) {
				t.Fatalf("%d, format %d: %v, %v\n%q", i, format, err, Diff(v, got), text)
			}
		}
	}
}

// Whatever we read, another library reads as the same, unless it does not read it at all.
func FuzzOracle(f *testing.F) {
	f.Add([]byte(everythingXML))
	f.Add(binaryOf(everything))
	f.Add([]byte("<plist><array><integer> - 0x10</integer><real>1e5</real><date>2026-01-01T00:00:00Z</date><data> AA== </data></array></plist>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		ours, err := Decode(data)
		if err != nil || keyed(ours) {
			return
		}
		var got any
		if reading(data, &got) != nil {
			return
		}
		if same, ok := theirs(got); ok && !Equal(ours, same) {
			t.Errorf("we read %s, the other library %s: %v", Short(ours), Short(same), Diff(ours, same))
		}
	})
}

// reading is the other library's, which panics now and then.
func reading(data []byte, v any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.ErrUnsupported
		}
	}()
	return oracle.NewDecoder(bytes.NewReader(data)).Decode(v)
}

// keyed reports whether a value has what only we take as it is: a dictionary that looks like the UID of a keyed archive, and dates far away.
func keyed(v Value) bool {
	switch v := v.(type) {
	case Array:
		for _, e := range v {
			if keyed(e) {
				return true
			}
		}
	case Dict:
		for _, e := range v {
			if strings.HasPrefix(e.Key, "CF$UID") || keyed(e.Value) {
				return true
			}
		}
	case time.Time:
		return v.Year() < 1800 || v.Year() > 2200
	}
	return false
}

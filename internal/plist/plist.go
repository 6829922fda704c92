// Package plist reads, writes and compares property lists: XML and, for reading, binary ones.
//
// It knows what launchd loads, which is less than what plutil accepts: JSON and old-style ASCII property lists are refused, and so is
// a boolean written as <true></true>. It is stricter than both where leniency would hide a mistake: a key that occurs
// twice, a key without a value and anything after the end are errors. Integers keep 64 bits, dictionaries keep their order,
// and no type turns into another one on the way.
//
// Input may be hostile. Size, depth and the number of values are bounded; XML entities cannot be defined; binary property
// lists cannot refer to themselves, nor grow by referring to one object from many places.
package plist

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Value is one of Dict, Array, string, int64, uint64 (only above math.MaxInt64), float64, bool, time.Time (UTC, whole seconds) and
// []byte. Nil is no value.
type Value any

// Array is an ordered list of values.
type Array []Value

// Dict is a dictionary in the order of its text. Its keys are distinct.
type Dict []Entry

// Entry is one key of a Dict with its value.
type Entry struct {
	Key   string
	Value Value
}

// Get returns the value of key, nil when there is none.
func (d Dict) Get(key string) Value {
	for _, e := range d {
		if e.Key == key {
			return e.Value
		}
	}
	return nil
}

// sorted is d in the order of its keys.
func (d Dict) sorted() Dict {
	return slices.SortedFunc(slices.Values(d), func(a, b Entry) int { return cmp.Compare(a.Key, b.Key) })
}

// What Decode takes at most.
const (
	maxSize  = 4 << 20
	maxDepth = 128
)

// SyntaxError is why bytes are no property list, or none that launchd loads.
type SyntaxError struct {
	Line    int // from 1; 0 in a binary property list
	Message string
}

func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Message)
}

// Decode reads an XML or a binary property list. Its errors are *SyntaxError.
func Decode(data []byte) (Value, error) {
	text := bytes.TrimLeft(bytes.TrimPrefix(data, []byte("\ufeff")), " \t\r\n")
	switch {
	case len(data) > maxSize:
		return nil, &SyntaxError{Message: fmt.Sprintf("the property list is larger than %d MiB", maxSize>>20)}
	case bytes.HasPrefix(data, []byte("bplist")):
		return decodeBinary(data)
	case len(text) == 0:
		return nil, &SyntaxError{Line: 1, Message: "the property list is empty"}
	case text[0] != '<':
		line := 1 + bytes.Count(data[:len(data)-len(text)], []byte("\n"))
		return nil, &SyntaxError{Line: line, Message: "this is neither an XML nor a binary property list; JSON and old-style ASCII " +
			"property lists are not loaded by launchd"}
	}
	return decodeXML(data)
}

// Equal reports whether two values mean the same: the order in a Dict does not matter, the types do.
func Equal(a, b Value) bool {
	a, b = canonical(a), canonical(b)
	switch a := a.(type) {
	case Dict:
		b, ok := b.(Dict)
		return ok && slices.EqualFunc(a.sorted(), b.sorted(), func(x, y Entry) bool {
			return x.Key == y.Key && Equal(x.Value, y.Value)
		})
	case Array:
		b, ok := b.(Array)
		return ok && slices.EqualFunc(a, b, Equal)
	case []byte:
		b, ok := b.([]byte)
		return ok && bytes.Equal(a, b)
	case time.Time:
		b, ok := b.(time.Time)
		return ok && a.Equal(b)
	case float64:
		b, ok := b.(float64)
		return ok && (a == b || math.IsNaN(a) && math.IsNaN(b))
	}
	return a == b
}

// canonical makes an int64 of an uint64 that fits.
func canonical(v Value) Value {
	if u, ok := v.(uint64); ok && u <= math.MaxInt64 {
		return int64(u)
	}
	return v
}

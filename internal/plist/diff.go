package plist

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Change is one place where two property lists differ.
type Change struct {
	Path     string // "StartInterval", "KeepAlive.SuccessfulExit", "ProgramArguments[2]"; "" for the whole
	Old, New Value  // nil: not there
}

// String is the change as one line: `StartInterval: 900 -> 300`.
func (c Change) String() string {
	path := c.Path
	if path == "" {
		path = "the whole property list"
	}
	return fmt.Sprintf("%s: %s -> %s", path, Short(c.Old), Short(c.New))
}

// Diff returns where the values differ, in the order of a's keys and then of those that only b has. It is empty exactly if Equal
// is true. Arrays are compared place by place.
func Diff(a, b Value) []Change { return diff(nil, "", a, b) }

func diff(changes []Change, path string, a, b Value) []Change {
	switch a := a.(type) {
	case Dict:
		if b, ok := b.(Dict); ok {
			before, after := a.values(), b.values()
			for _, e := range a {
				changes = diff(changes, Join(path, e.Key), e.Value, after[e.Key])
			}
			for _, e := range b {
				if before[e.Key] == nil {
					changes = diff(changes, Join(path, e.Key), nil, e.Value)
				}
			}
			return changes
		}
	case Array:
		if b, ok := b.(Array); ok {
			for i := range max(len(a), len(b)) {
				changes = diff(changes, fmt.Sprintf("%s[%d]", path, i), at(a, i), at(b, i))
			}
			return changes
		}
	}
	if !Equal(a, b) {
		changes = append(changes, Change{Path: path, Old: a, New: b})
	}
	return changes
}

func (d Dict) values() map[string]Value {
	values := make(map[string]Value, len(d))
	for _, e := range d {
		values[e.Key] = e.Value
	}
	return values
}

func at(a Array, i int) Value {
	if i < len(a) {
		return a[i]
	}
	return nil
}

// Join is the path of a key in the dictionary at path, "" for the whole, as a [Change] has it.
func Join(path, key string) string {
	if key == "" || strings.ContainsAny(key, ".[]\"\n") {
		key = strconv.Quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// Short is v in a few words on one line, for a person. What tells an integer from a real and a string from both is kept.
func Short(v Value) string {
	const most = 60
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		if len(v) > most {
			return fmt.Sprintf("%.*q...", most, v)
		}
		return strconv.Quote(v)
	case float64:
		if text := formatReal(v); strings.ContainsAny(text, ".ein") {
			return text
		}
		return formatReal(v) + ".0"
	case time.Time:
		return v.UTC().Format(dateForm)
	case []byte:
		return fmt.Sprintf("%d bytes of data", len(v))
	case Array:
		return list(v, most)
	case Dict:
		return dictionary(v, most)
	}
	return fmt.Sprint(v)
}

func list(a Array, most int) string {
	parts := make([]string, 0, len(a))
	for _, v := range a {
		parts = append(parts, Short(v))
	}
	if text := "[" + strings.Join(parts, ", ") + "]"; len(text) <= most {
		return text
	}
	return fmt.Sprintf("a list of %d", len(a))
}

func dictionary(d Dict, most int) string {
	parts := make([]string, 0, len(d))
	for _, e := range d {
		parts = append(parts, e.Key+" = "+Short(e.Value))
	}
	if text := "{" + strings.Join(parts, ", ") + "}"; len(text) <= most {
		return text
	}
	return fmt.Sprintf("a dictionary of %d keys", len(d))
}

package provider

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

// shape is what a key may hold: how a configuration says it, and how that gets into a property list and back.
type shape interface {
	attribute(about string) schema.Attribute
	// encode is what a value that is known and not null is in a property list.
	encode(v attr.Value) (plist.Value, error)
	// decode is the reverse, for a value in the spelling of [launchctl.Meaning]. It is false for one that the attribute cannot stand for.
	decode(v plist.Value) (attr.Value, bool)
	// takes reports whether a value is of a type that launchd reads here; wants says which these are.
	takes(v plist.Value) bool
	wants() string
	// check is what is wrong in a value that is taken.
	check(at place, v plist.Value) []finding
}

type (
	// flag is a boolean.
	flag struct{}
	// text is a string. Must says what is wrong with one; nil refuses none but the empty one.
	text struct{ must func(string) string }
	// number is an integer. A most of 0 is none.
	number struct{ least, most int64 }
	// octal is a mode, which an attribute has as octal digits, and a property list as an integer, or as a string if text is set.
	octal struct{ text bool }
	// service is the port of a socket, which an attribute has as text, and a property list as a string or an integer.
	service struct{}
	// list is an array of values; with one, a single value in a property list is a list of one.
	list struct {
		of    shape
		one   bool
		least int
	}
	// dictionary has keys that are the user's to choose.
	dictionary struct{ of shape }
	// object has the keys of a table.
	object struct{ keys []launchdKey }
	// advertised is an object that is written as true when nothing of it is set.
	advertised struct{ object }
	// sockets are dictionaries, or arrays of them, by name. The framework has no map of lists of nested attributes, so an attribute is a list
	// whose elements have the name beside their keys.
	sockets struct{ keys []launchdKey }
	// events are LaunchEvents, whose leaves may be anything, so that the attribute is dynamic.
	events struct{}
)

func (flag) attribute(about string) schema.Attribute {
	return schema.BoolAttribute{Optional: true, MarkdownDescription: about}
}

func (text) attribute(about string) schema.Attribute {
	return schema.StringAttribute{Optional: true, MarkdownDescription: about}
}

func (number) attribute(about string) schema.Attribute {
	return schema.Int64Attribute{Optional: true, MarkdownDescription: about}
}

func (octal) attribute(about string) schema.Attribute   { return text{}.attribute(about) }
func (service) attribute(about string) schema.Attribute { return text{}.attribute(about) }

func (s list) attribute(about string) schema.Attribute {
	if of, nested := s.of.(object); nested {
		return schema.ListNestedAttribute{
			Optional: true, MarkdownDescription: about, NestedObject: schema.NestedAttributeObject{Attributes: attributesOf(of.keys)},
		}
	}
	return schema.ListAttribute{Optional: true, MarkdownDescription: about, ElementType: typeOf(s.of)}
}

func (s dictionary) attribute(about string) schema.Attribute {
	if of, nested := s.of.(advertised); nested {
		return schema.MapNestedAttribute{
			Optional: true, MarkdownDescription: about, NestedObject: schema.NestedAttributeObject{Attributes: attributesOf(of.keys)},
		}
	}
	return schema.MapAttribute{Optional: true, MarkdownDescription: about, ElementType: typeOf(s.of)}
}

func (s object) attribute(about string) schema.Attribute {
	return schema.SingleNestedAttribute{Optional: true, MarkdownDescription: about, Attributes: attributesOf(s.keys)}
}

func (s sockets) attribute(about string) schema.Attribute {
	attributes := attributesOf(s.keys)
	attributes["name"] = schema.StringAttribute{
		Required: true, MarkdownDescription: "Name that the job asks for the socket by. Several sockets may have one name.",
	}
	return schema.ListNestedAttribute{
		Optional: true, MarkdownDescription: about, NestedObject: schema.NestedAttributeObject{Attributes: attributes},
	}
}

func (events) attribute(about string) schema.Attribute {
	return schema.DynamicAttribute{Optional: true, MarkdownDescription: about}
}

func typeOf(s shape) attr.Type { return s.attribute("").GetType() }

// null is the null of a type.
func null(t attr.Type) attr.Value {
	v, err := t.ValueFromTerraform(context.Background(), tftypes.NewValue(t.TerraformType(context.Background()), nil))
	if err != nil {
		panic(fmt.Sprintf("a type without a null: %v: %v", t, err)) // every type has one
	}
	return v
}

func (flag) encode(v attr.Value) (plist.Value, error) {
	b, _ := v.(types.Bool)
	return b.ValueBool(), nil
}

func (text) encode(v attr.Value) (plist.Value, error) {
	s, _ := v.(types.String)
	return s.ValueString(), nil
}

func (number) encode(v attr.Value) (plist.Value, error) {
	n, _ := v.(types.Int64)
	return n.ValueInt64(), nil
}

func (octal) encode(v attr.Value) (plist.Value, error) {
	s, _ := v.(types.String)
	n, err := strconv.ParseInt(s.ValueString(), 8, 64)
	if err != nil {
		return nil, fmt.Errorf("%q is not octal, such as 022", s.ValueString())
	}
	return n, nil
}

func (service) encode(v attr.Value) (plist.Value, error) { return text{}.encode(v) }

func (s list) encode(v attr.Value) (plist.Value, error) {
	values, _ := v.(types.List)
	array := plist.Array{}
	for i, e := range values.Elements() {
		v, err := element(s.of, e)
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		array = append(array, v)
	}
	return array, nil
}

func (s dictionary) encode(v attr.Value) (plist.Value, error) {
	values, _ := v.(types.Map)
	dict, elements := plist.Dict{}, values.Elements()
	for _, name := range slices.Sorted(maps.Keys(elements)) {
		v, err := element(s.of, elements[name])
		if err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		dict = append(dict, plist.Entry{Key: name, Value: v})
	}
	return dict, nil
}

// element is encode for an element of a list or a map, which a configuration may have as null.
func element(s shape, v attr.Value) (plist.Value, error) {
	if v.IsNull() {
		return nil, fmt.Errorf("it is null, and must be %s", s.wants())
	}
	return s.encode(v)
}

func (s object) encode(v attr.Value) (plist.Value, error) {
	o, _ := v.(types.Object)
	return encodeKeys(s.keys, o.Attributes())
}

func (s advertised) encode(v attr.Value) (plist.Value, error) {
	dict, err := s.object.encode(v)
	if d, ok := dict.(plist.Dict); ok && len(d) == 0 {
		return true, err
	}
	return dict, err
}

func (s sockets) encode(v attr.Value) (plist.Value, error) {
	var names []string
	all := map[string]plist.Array{}
	values, _ := v.(types.List)
	for i, e := range values.Elements() {
		dict, err := element(object(s), e)
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		o, _ := e.(types.Object)
		name, _ := o.Attributes()["name"].(types.String)
		if all[name.ValueString()] == nil {
			names = append(names, name.ValueString())
		}
		all[name.ValueString()] = append(all[name.ValueString()], dict)
	}
	dict := plist.Dict{}
	for _, name := range names {
		// Many jobs know only the form of one socket, which is a dictionary; launchd hands over the same for both.
		entry := plist.Entry{Key: name, Value: all[name]}
		if len(all[name]) == 1 {
			entry.Value = all[name][0]
		}
		dict = append(dict, entry)
	}
	return dict, nil
}

func (events) encode(v attr.Value) (plist.Value, error) { return encodeAny(v) }

// encodeKeys is the dictionary that attributes stand for, in the order of the table. One that is null or not there has no key.
func encodeKeys(keys []launchdKey, values map[string]attr.Value) (plist.Dict, error) {
	dict := plist.Dict{}
	for _, k := range keys {
		v := values[k.name]
		if k.name == "" || v == nil || v.IsNull() {
			continue
		}
		encoded, err := k.shape.encode(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.name, err)
		}
		dict = append(dict, plist.Entry{Key: k.apple, Value: encoded})
	}
	return dict, nil
}

func (flag) decode(v plist.Value) (attr.Value, bool) {
	b, ok := v.(bool)
	return types.BoolValue(b), ok
}

func (text) decode(v plist.Value) (attr.Value, bool) {
	s, ok := v.(string)
	return types.StringValue(s), ok && holds(s)
}

func (number) decode(v plist.Value) (attr.Value, bool) {
	n, ok := v.(int64)
	return types.Int64Value(n), ok
}

func (s octal) decode(v plist.Value) (attr.Value, bool) {
	n, ok := v.(int64)
	digits := 4
	if s.text { // a umask, which is usually written so
		digits = 3
	}
	return types.StringValue(fmt.Sprintf("%0*o", digits, n)), ok && n >= 0
}

func (service) decode(v plist.Value) (attr.Value, bool) { return text{}.decode(v) }

func (s list) decode(v plist.Value) (attr.Value, bool) {
	array, ok := v.(plist.Array)
	elements := make([]attr.Value, len(array))
	for i, e := range array {
		if elements[i], ok = s.of.decode(e); !ok {
			return nil, false
		}
	}
	return types.ListValueMust(typeOf(s.of), elements), ok
}

func (s dictionary) decode(v plist.Value) (attr.Value, bool) {
	dict, ok := v.(plist.Dict)
	elements := make(map[string]attr.Value, len(dict))
	for _, e := range dict {
		if elements[e.Key], ok = s.of.decode(e.Value); !ok || !holds(e.Key) {
			return nil, false
		}
	}
	return types.MapValueMust(typeOf(s.of), elements), ok
}

func (s object) decode(v plist.Value) (attr.Value, bool) {
	dict, ok := v.(plist.Dict)
	if !ok {
		return nil, false
	}
	values, ok := decodeKeys(s.keys, dict)
	if !ok {
		return nil, false
	}
	return objectOf(values), true
}

func (s advertised) decode(v plist.Value) (attr.Value, bool) {
	if v == true {
		v = plist.Dict{}
	}
	return s.object.decode(v)
}

func (s sockets) decode(v plist.Value) (attr.Value, bool) {
	dict, ok := v.(plist.Dict)
	elements := []attr.Value{}
	for _, e := range dict {
		array, isArray := e.Value.(plist.Array)
		if !isArray || len(array) == 0 || !holds(e.Key) {
			return nil, false
		}
		for _, socket := range array {
			socket, isDict := socket.(plist.Dict)
			values, known := decodeKeys(s.keys, socket)
			if !isDict || !known {
				return nil, false
			}
			values["name"] = types.StringValue(e.Key)
			elements = append(elements, objectOf(values))
		}
	}
	of, _ := typeOf(s).(types.ListType)
	return types.ListValueMust(of.ElemType, elements), ok
}

func (events) decode(v plist.Value) (attr.Value, bool) {
	return types.DynamicValue(decodeAny(v)), holdsAll(v)
}

// decodeKeys are the attributes that stand for a dictionary, all of the table's. It is false for a dictionary that they cannot stand for:
// one with another key, with a value of another type, or with one that the attribute would refuse.
func decodeKeys(keys []launchdKey, dict plist.Dict) (map[string]attr.Value, bool) {
	values := map[string]attr.Value{}
	for name, attribute := range attributesOf(keys) {
		values[name] = null(attribute.GetType())
	}
	for _, e := range dict {
		k := keyFor(keys, e)
		if k == nil || k.name == "" {
			return nil, false
		}
		value, ok := k.shape.decode(e.Value)
		if !ok || slices.ContainsFunc(k.shape.check(place{}, e.Value), func(f finding) bool { return f.weight > ignored }) {
			return nil, false
		}
		values[k.name] = value
	}
	return values, true
}

// keyFor is the key of the table that takes an entry; nil when there is none.
func keyFor(keys []launchdKey, e plist.Entry) *launchdKey {
	for i, k := range keys {
		if k.apple == e.Key && (k.shape == nil || k.shape.takes(e.Value)) {
			return &keys[i]
		}
	}
	return nil
}

func objectOf(values map[string]attr.Value) attr.Value {
	of := map[string]attr.Type{}
	for name, v := range values {
		of[name] = v.Type(context.Background())
	}
	return types.ObjectValueMust(of, values)
}

// holds reports whether a text comes back from the state as it is. A CLI makes every string UTF-8 in Unicode's normalization form C, so
// that an "é" of two characters would become one of one; none below U+0300 is changed or combined by that.
func holds(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(c rune) bool { return c >= 0x300 })
}

// holdsAll is holds for every string in a value.
func holdsAll(v plist.Value) bool {
	switch v := v.(type) {
	case string:
		return holds(v)
	case plist.Array:
		return !slices.ContainsFunc(v, func(e plist.Value) bool { return !holdsAll(e) })
	case plist.Dict:
		return !slices.ContainsFunc(v, func(e plist.Entry) bool { return !holds(e.Key) || !holdsAll(e.Value) })
	}
	return true
}

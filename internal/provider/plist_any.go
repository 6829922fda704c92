package provider

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

// Terraform has strings, booleans and numbers; a property list has more. What would lose its type is an object with a single attribute
// that says which it is. A dictionary that has just such a key, and no other, is the attribute of one, too.
const (
	tagDate = "$date" // RFC 3339, in UTC
	tagData = "$data" // base64
	tagReal = "$real" // a real that is whole, or "nan", "inf", "-inf"
	tagDict = "$dict" // a dictionary with one key that is one of these
)

var tags = []string{tagDate, tagData, tagReal, tagDict}

// encodeAny is any value of Terraform's as a property list's. A member of an object that is null is left out.
func encodeAny(v attr.Value) (plist.Value, error) {
	if d, ok := v.(types.Dynamic); ok && !d.IsNull() {
		v = d.UnderlyingValue()
	}
	if v == nil || v.IsNull() {
		return nil, errors.New("it is null, which no property list can hold")
	}
	switch v := v.(type) {
	case types.String:
		return v.ValueString(), nil
	case types.Bool:
		return v.ValueBool(), nil
	case types.Number:
		return encodeNumber(v.ValueBigFloat())
	case types.List:
		return encodeElements(v.Elements())
	case types.Set:
		return encodeElements(v.Elements())
	case types.Tuple:
		return encodeElements(v.Elements())
	case types.Map:
		return encodeMembers(v.Elements())
	case types.Object:
		return encodeMembers(v.Attributes())
	}
	return nil, fmt.Errorf("no property list can hold a %T", v)
}

// encodeNumber makes an integer of what is whole.
func encodeNumber(f *big.Float) (plist.Value, error) {
	if !f.IsInt() {
		real, _ := f.Float64()
		return real, nil
	}
	if n, exact := f.Int64(); exact == big.Exact {
		return n, nil
	}
	if n, exact := f.Uint64(); exact == big.Exact {
		return n, nil
	}
	return nil, fmt.Errorf("%s does not fit into an integer of 64 bits; a real is { %q = %s }", f.Text('g', 20), tagReal, f.Text('g', 20))
}

func encodeElements(elements []attr.Value) (plist.Value, error) {
	array := plist.Array{}
	for i, e := range elements {
		v, err := encodeAny(e)
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		array = append(array, v)
	}
	return array, nil
}

func encodeMembers(members map[string]attr.Value) (plist.Value, error) {
	if len(members) == 1 {
		for tag, v := range members {
			if slices.Contains(tags, tag) {
				return encodeTagged(tag, v)
			}
		}
	}
	dict := plist.Dict{}
	for _, key := range slices.Sorted(maps.Keys(members)) {
		if isNull(members[key]) {
			continue
		}
		v, err := encodeAny(members[key])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		dict = append(dict, plist.Entry{Key: key, Value: v})
	}
	return dict, nil
}

func isNull(v attr.Value) bool {
	d, dynamic := v.(types.Dynamic)
	return v.IsNull() || dynamic && d.IsUnderlyingValueNull()
}

// encodeTagged is the value of an object with a tag.
func encodeTagged(tag string, v attr.Value) (plist.Value, error) {
	if d, ok := v.(types.Dynamic); ok && !d.IsNull() {
		v = d.UnderlyingValue()
	}
	if tag == tagDict {
		switch v := v.(type) {
		case types.Map:
			return plainDict(v.Elements())
		case types.Object:
			return plainDict(v.Attributes())
		}
		return nil, fmt.Errorf("%s: it is no object", tag)
	}
	if n, ok := v.(types.Number); ok && tag == tagReal && !n.IsNull() {
		real, _ := n.ValueBigFloat().Float64()
		return real, nil
	}
	s, ok := v.(types.String)
	if !ok || s.IsNull() {
		return nil, fmt.Errorf("%s: it is no string", tag)
	}
	switch tag {
	case tagDate:
		t, err := time.Parse(time.RFC3339, s.ValueString())
		if err != nil || t.Nanosecond() != 0 || t.UTC().Year() > 9999 || t.UTC().Year() < 0 {
			return nil, fmt.Errorf("%s: %q is not a date such as 2026-11-22T18:00:00Z", tag, s.ValueString())
		}
		return t.UTC(), nil
	case tagData:
		data, err := base64.StdEncoding.DecodeString(s.ValueString())
		if err != nil {
			return nil, fmt.Errorf("%s: it is not base64", tag)
		}
		return data, nil
	}
	real, ok := map[string]float64{"nan": math.NaN(), "inf": math.Inf(1), "-inf": math.Inf(-1)}[s.ValueString()]
	if !ok {
		return nil, fmt.Errorf("%s: %q is no number, and not nan, inf or -inf", tag, s.ValueString())
	}
	return real, nil
}

// plainDict is a dictionary whose keys are no tags, whatever they look like.
func plainDict(members map[string]attr.Value) (plist.Value, error) {
	dict := plist.Dict{}
	for _, key := range slices.Sorted(maps.Keys(members)) {
		v, err := encodeAny(members[key])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		dict = append(dict, plist.Entry{Key: key, Value: v})
	}
	return dict, nil
}

// decodeAny is the reverse. (A CLI makes every string Unicode's normalization form C, which it does not need to have had.)
func decodeAny(v plist.Value) attr.Value {
	switch v := v.(type) {
	case string:
		return types.StringValue(v)
	case bool:
		return types.BoolValue(v)
	case int64:
		return types.NumberValue(new(big.Float).SetPrec(numberBits).SetInt64(v))
	case uint64:
		return types.NumberValue(new(big.Float).SetPrec(numberBits).SetUint64(v))
	case float64:
		return decodeReal(v)
	case time.Time:
		return tagged(tagDate, types.StringValue(v.UTC().Format(time.RFC3339)))
	case []byte:
		return tagged(tagData, types.StringValue(base64.StdEncoding.EncodeToString(v)))
	case plist.Array:
		var of []attr.Type
		var elements []attr.Value
		for _, e := range v {
			element := decodeAny(e)
			of, elements = append(of, element.Type(context.Background())), append(elements, element)
		}
		return types.TupleValueMust(of, elements)
	case plist.Dict:
		members := map[string]attr.Value{}
		for _, e := range v {
			members[e.Key] = decodeAny(e.Value)
		}
		if len(v) == 1 && slices.Contains(tags, v[0].Key) {
			return tagged(tagDict, objectOf(members))
		}
		return objectOf(members)
	}
	return types.DynamicNull() // there is no other value
}

// numberBits is the precision that Terraform's numbers have.
const numberBits = 512

// decodeReal reads the shortest decimal number that stands for the real, as a configuration has it.
func decodeReal(f float64) attr.Value {
	switch {
	case math.IsNaN(f):
		return tagged(tagReal, types.StringValue("nan"))
	case math.IsInf(f, 1):
		return tagged(tagReal, types.StringValue("inf"))
	case math.IsInf(f, -1):
		return tagged(tagReal, types.StringValue("-inf"))
	}
	n, _, err := big.ParseFloat(strconv.FormatFloat(f, 'g', -1, 64), 10, numberBits, big.ToNearestEven)
	if err != nil {
		panic(fmt.Sprintf("a real that is no number: %v: %v", f, err)) // FormatFloat writes what ParseFloat reads
	}
	if n.IsInt() {
		return tagged(tagReal, types.NumberValue(n))
	}
	return types.NumberValue(n)
}

func tagged(tag string, v attr.Value) attr.Value { return objectOf(map[string]attr.Value{tag: v}) }

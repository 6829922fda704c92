package plist

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// maxCost bounds what a binary property list may grow to, in bytes, counting an object each time it is referred to.
const maxCost = maxSize

// binaryReader reads one binary property list (bplist00): objects, then a table of their offsets, then a trailer.
type binaryReader struct {
	data     []byte // up to the offset table
	offsets  []byte // the offset table
	intSize  int    // bytes of an offset
	refSize  int    // bytes of a reference to an object
	count    uint64 // objects
	cost     int
	entering map[uint64]bool // the containers around the one that is being read
}

func decodeBinary(data []byte) (Value, error) {
	const trailer = 32
	if len(data) < 8+trailer || string(data[:8]) != "bplist00" {
		return nil, &SyntaxError{Message: "this is not a binary property list of version 00, or it is cut short"}
	}
	tail := data[len(data)-trailer:]
	table := binary.BigEndian.Uint64(tail[24:])
	r := &binaryReader{
		intSize: int(tail[6]), refSize: int(tail[7]), count: binary.BigEndian.Uint64(tail[8:]), entering: map[uint64]bool{},
	}
	end := uint64(len(data) - trailer)
	switch {
	case r.intSize < 1 || r.intSize > 8 || r.refSize < 1 || r.refSize > 8,
		table < 8 || table > end,
		r.count == 0 || r.count > (end-table)/uint64(r.intSize):
		return nil, &SyntaxError{Message: "the trailer of the binary property list is damaged"}
	}
	r.data, r.offsets = data[:table], data[table:end]
	return r.object(binary.BigEndian.Uint64(tail[16:]), 1)
}

func (r *binaryReader) errorf(at uint64, format string, args ...any) error {
	return &SyntaxError{Message: fmt.Sprintf("binary property list, byte %d: ", at) + fmt.Sprintf(format, args...)}
}

// object reads the object with this number.
func (r *binaryReader) object(number uint64, depth int) (Value, error) {
	if number >= r.count {
		return nil, r.errorf(0, "there is no object %d", number)
	}
	at := uintOf(r.offsets[number*uint64(r.intSize):][:r.intSize])
	if at < 8 || at >= uint64(len(r.data)) {
		return nil, r.errorf(at, "object %d is outside of the file", number)
	}
	if r.cost += 16; r.cost > maxCost || depth > maxDepth {
		return nil, r.errorf(at, "the values are too many, or nested more than %d deep", maxDepth)
	}
	marker := r.data[at]
	switch kind, low := marker>>4, int(marker&15); {
	case marker == 0x08 || marker == 0x09:
		return marker == 0x09, nil
	case kind == 1 && low <= 4:
		return r.integer(at, low)
	case kind == 2 && (low == 2 || low == 3), marker == 0x33:
		return r.number(at, low, kind == 3)
	case kind == 4, kind == 5, kind == 6:
		return r.bytes(at, kind)
	case kind == 0xA, kind == 0xD:
		if r.entering[number] {
			return nil, r.errorf(at, "object %d contains itself", number)
		}
		r.entering[number] = true
		defer delete(r.entering, number)
		return r.container(at, kind == 0xD, depth)
	case kind == 8:
		return nil, r.errorf(at, "an UID, which only keyed archives have")
	}
	return nil, r.errorf(at, "an object of the unknown type %#02x", marker)
}

// take returns the size bytes at at.
func (r *binaryReader) take(at, size uint64) ([]byte, error) {
	if at > uint64(len(r.data)) || size > uint64(len(r.data))-at {
		return nil, r.errorf(at, "the object is cut short")
	}
	return r.data[at : at+size], nil
}

// integer has 1 << power bytes. Up to 4 bytes are unsigned; 8 are signed; 16 hold what needs 64 bits without a sign.
func (r *binaryReader) integer(at uint64, power int) (Value, error) {
	b, err := r.take(at+1, 1<<power)
	switch {
	case err != nil:
		return nil, err
	case power == 4 && uintOf(b[:8]) == 0:
		return canonical(uintOf(b[8:])), nil
	case power == 4 && uintOf(b[:8]) == math.MaxUint64 && b[8] >= 0x80:
		return int64(uintOf(b[8:])), nil
	case power == 4:
		return nil, r.errorf(at, "the integer does not fit into 64 bits")
	}
	return int64(uintOf(b)), nil
}

// number is a real or, in seconds since 2001, a date.
func (r *binaryReader) number(at uint64, power int, date bool) (Value, error) {
	b, err := r.take(at+1, 1<<power)
	if err != nil {
		return nil, err
	}
	f := math.Float64frombits(uintOf(b))
	if power == 2 {
		f = float64(math.Float32frombits(uint32(uintOf(b))))
	}
	if !date {
		return f, nil
	}
	epoch := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	t := time.Unix(epoch.Unix()+int64(math.Floor(f)), 0).UTC()
	if math.IsNaN(f) || math.Abs(f) > 1e12 || t.Year() < 0 || t.Year() > 9999 {
		return nil, r.errorf(at, "the date is outside of the years 0 to 9999")
	}
	return t, nil
}

// length is how many elements the object at at has, and where they begin.
func (r *binaryReader) length(at uint64) (count, begin uint64, err error) {
	if low := r.data[at] & 15; low != 15 {
		return uint64(low), at + 1, nil
	}
	b, err := r.take(at+1, 1)
	if err != nil {
		return 0, 0, err
	}
	power := b[0] & 15
	if b[0]>>4 != 1 || power > 3 {
		return 0, 0, r.errorf(at, "the length is no integer")
	}
	if b, err = r.take(at+2, 1<<power); err != nil {
		return 0, 0, err
	}
	return uintOf(b), at + 2 + 1<<power, nil
}

// bytes reads data, an ASCII string or an UTF-16 string.
func (r *binaryReader) bytes(at uint64, kind byte) (Value, error) {
	count, begin, err := r.length(at)
	if err != nil {
		return nil, err
	}
	if kind == 6 {
		if count > uint64(len(r.data)) {
			return nil, r.errorf(at, "the object is cut short")
		}
		count *= 2
	}
	b, err := r.take(begin, count)
	if err != nil {
		return nil, err
	}
	if r.cost += len(b); r.cost > maxCost {
		return nil, r.errorf(at, "the values are too large")
	}
	switch kind {
	case 4:
		return append([]byte{}, b...), nil
	case 5:
		for _, c := range b {
			if c >= utf8.RuneSelf {
				return nil, r.errorf(at, "the ASCII string has the byte %#02x", c)
			}
		}
		return string(b), nil
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.BigEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units)), nil
}

// container reads an array, or a dictionary: its keys and then its values.
func (r *binaryReader) container(at uint64, dict bool, depth int) (Value, error) {
	count, begin, err := r.length(at)
	if err != nil {
		return nil, err
	}
	refs, size := count, uint64(r.refSize)
	if dict {
		refs *= 2
	}
	if count > uint64(len(r.data)) {
		return nil, r.errorf(at, "the object is cut short")
	}
	b, err := r.take(begin, refs*size)
	if err != nil {
		return nil, err
	}
	member := func(i uint64) (Value, error) { return r.object(uintOf(b[i*size:][:size]), depth+1) }
	if dict {
		return r.dict(at, count, member)
	}
	array := Array{}
	for i := range count {
		v, err := member(i)
		if err != nil {
			return nil, err
		}
		array = append(array, v)
	}
	return array, nil
}

func (r *binaryReader) dict(at, count uint64, member func(uint64) (Value, error)) (Value, error) {
	dict, seen := Dict{}, map[string]bool{}
	for i := range count {
		k, err := member(i)
		if err != nil {
			return nil, err
		}
		key, ok := k.(string)
		if !ok {
			return nil, r.errorf(at, "a key is no string")
		}
		if seen[key] {
			return nil, r.errorf(at, "the key %q occurs twice", key)
		}
		seen[key] = true
		v, err := member(count + i)
		if err != nil {
			return nil, err
		}
		dict = append(dict, Entry{Key: key, Value: v})
	}
	return dict, nil
}

// uintOf reads up to 8 bytes, the highest first.
func uintOf(b []byte) uint64 {
	var n uint64
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}

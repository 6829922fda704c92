package provider

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

// validateKeys checks the attributes of a job, each on its own, as far as they are known.
func validateKeys(config jobModel, diags *diag.Diagnostics) {
	dict := plist.Dict{}
	for _, k := range launchdKeys {
		v := config.attrs[k.name]
		if k.name == "" || v.IsNull() || !isKnown(v) {
			continue
		}
		value, err := k.shape.encode(v)
		if err != nil {
			diags.AddAttributeError(path.Root(k.name), "Invalid Value for launchd", k.apple+": "+err.Error()+".")
			continue
		}
		dict = append(dict, plist.Entry{Key: k.apple, Value: value})
	}
	for _, f := range checkKeys(launchdKeys, place{}, dict) {
		if f.weight == ignored { // it is about spellings that attributes do not have
			continue
		}
		diags.AddAttributeError(f.at, "Invalid Value for launchd", f.String())
	}
}

// validateWhole checks a job that is given as a whole property list. What launchd ignores, and where it may be more lenient than its
// manual, is only a warning.
func validateWhole(config jobModel, diags *diag.Diagnostics) {
	at := path.Root("plist")
	for _, k := range launchdKeys {
		if k.name != "" && !config.attrs[k.name].IsNull() {
			diags.AddAttributeError(path.Root(k.name), "Attribute Beside a Whole Property List",
				fmt.Sprintf("plist is the whole property list, so %s must be in it.", k.apple))
		}
	}
	if !config.attrs[secretsName].IsNull() {
		diags.AddAttributeError(path.Root(secretsName), "Attribute Beside a Whole Property List",
			"plist is the whole property list, and secrets cannot be added to it.")
	}
	if config.text("plist").IsUnknown() {
		return
	}
	dict, _, err := config.desired()
	if err != nil {
		diags.AddAttributeError(at, "Invalid Property List", capitalized(err.Error())+".")
		return
	}
	if label, _ := dict.Get("Label").(string); !config.attrs["label"].IsUnknown() && label != config.label() {
		diags.AddAttributeError(at, "Other Label in the Property List",
			fmt.Sprintf("Its Label is %q, while the attribute label says %q.", label, config.label()))
	}
	if dict.Get("Program") == nil && dict.Get("ProgramArguments") == nil {
		diags.AddAttributeError(at, "Missing Program", "A job needs ProgramArguments or Program.")
	}
	var wrongs, doubts []string
	for _, f := range checkKeys(wholeKeys, place{}, dict) {
		if f.weight == wrong {
			wrongs = append(wrongs, f.String())
		} else {
			doubts = append(doubts, f.String())
		}
	}
	if len(wrongs) > 0 {
		diags.AddAttributeError(at, "Wrong Type in the Property List", strings.Join(wrongs, "\n"))
	}
	if len(doubts) > 0 {
		diags.AddAttributeWarning(at, "Doubtful Key in the Property List", strings.Join(doubts, "\n"))
	}
}

// wholeKeys are the keys of a whole file.
var wholeKeys = append([]launchdKey{{"label", "Label", text{}, ""}}, launchdKeys...)

// finding is what is wrong at one place of a property list.
type finding struct {
	at     path.Path // the attribute
	key    string    // the key, as in StartCalendarInterval[0].Weekday
	weight weight
	says   string // what follows the key in a sentence
}

// weight is how bad a finding is.
type weight int

const (
	ignored  weight = iota // launchd goes on as if it were not there
	doubtful               // a value of the right type that launchd.plist(5) does not allow
	wrong                  // a value of another type
)

func (f finding) String() string { return f.key + " " + f.says + "." }

// place is where a value stands: among the attributes, and in the property list.
type place struct {
	at  path.Path
	key string
}

func (p place) attribute(name, apple string) place {
	at := p.at.AtName(name)
	if name == "" {
		at = p.at
	}
	return place{at, plist.Join(p.key, apple)}
}

func (p place) name(name string) place { return place{p.at.AtMapKey(name), plist.Join(p.key, name)} }

func (p place) index(i int) place { return place{p.at.AtListIndex(i), fmt.Sprintf("%s[%d]", p.key, i)} }

func (p place) finding(weight weight, format string, args ...any) []finding {
	return []finding{{p.at, p.key, weight, fmt.Sprintf(format, args...)}}
}

// checkAs is check for a value that may be of another type.
func checkAs(s shape, at place, v plist.Value) []finding {
	if !s.takes(v) {
		return at.finding(wrong, "is %s, and must be %s", typeName(v), s.wants())
	}
	return s.check(at, v)
}

// typeName is the type of a value in a sentence.
func typeName(v plist.Value) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "the boolean " + plist.Short(v)
	case string:
		return "the string " + plist.Short(v)
	case int64, uint64:
		return "the integer " + plist.Short(v)
	case float64:
		return "the real " + plist.Short(v)
	case time.Time:
		return "a date"
	case []byte:
		return "data"
	case plist.Array:
		return "an array"
	}
	return "a dictionary"
}

func (flag) takes(v plist.Value) bool { _, ok := v.(bool); return ok }
func (flag) wants() string            { return "a boolean" }

func (text) takes(v plist.Value) bool { _, ok := v.(string); return ok }
func (text) wants() string            { return "a string" }

func (number) takes(v plist.Value) bool { _, ok := v.(int64); return ok }
func (number) wants() string            { return "an integer" }

func (s octal) takes(v plist.Value) bool { return number{}.takes(v) || s.text && text{}.takes(v) }
func (s octal) wants() string {
	if s.text {
		return "an integer or a string"
	}
	return "an integer"
}

func (service) takes(v plist.Value) bool { return number{}.takes(v) || text{}.takes(v) }
func (service) wants() string            { return "a string or an integer" }

func (s list) takes(v plist.Value) bool {
	_, ok := v.(plist.Array)
	return ok || s.one && s.of.takes(v)
}

func (s list) wants() string {
	if s.one {
		return "an array, or " + s.of.wants()
	}
	return "an array"
}

func (dictionary) takes(v plist.Value) bool { _, ok := v.(plist.Dict); return ok }
func (dictionary) wants() string            { return "a dictionary" }

func (object) takes(v plist.Value) bool { return dictionary{}.takes(v) }
func (object) wants() string            { return "a dictionary" }

func (advertised) takes(v plist.Value) bool { return v == true || dictionary{}.takes(v) }
func (advertised) wants() string            { return "true or a dictionary" }

func (sockets) takes(v plist.Value) bool { return dictionary{}.takes(v) }
func (sockets) wants() string            { return "a dictionary" }

func (events) takes(v plist.Value) bool { return dictionary{}.takes(v) }
func (events) wants() string            { return "a dictionary" }

func (flag) check(place, plist.Value) []finding { return nil }

func (s text) check(at place, v plist.Value) []finding {
	word, _ := v.(string)
	must := s.must
	if must == nil {
		must = notEmpty
	}
	if says := must(word); says != "" {
		return at.finding(doubtful, "is %s, and must be %s", plist.Short(v), says)
	}
	return nil
}

func anything(string) string { return "" }

func notEmpty(s string) string {
	if s == "" {
		return "of at least one character"
	}
	return ""
}

func absolute(s string) string {
	if !strings.HasPrefix(s, "/") {
		return "an absolute path"
	}
	return ""
}

func oneOf(words ...string) func(string) string {
	return func(s string) string {
		if !slices.Contains(words, s) {
			return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
		}
		return ""
	}
}

func (s number) check(at place, v plist.Value) []finding {
	switch n, _ := v.(int64); {
	case s.most != 0 && (n < s.least || n > s.most):
		return at.finding(doubtful, "is %d, and must be between %d and %d", n, s.least, s.most)
	case n < s.least:
		return at.finding(doubtful, "is %d, and must be at least %d", n, s.least)
	}
	return nil
}

// octalLooks are modes that somebody who writes decimal digits may have meant as octal ones.
var octalLooks = []string{"22", "27", "77", "600", "644", "660", "666", "700", "755", "770", "775", "777"}

func (s octal) check(at place, v plist.Value) []finding {
	digits := fmt.Sprint(v)
	n, err := strconv.ParseInt(digits, 10, 64)
	if _, written := v.(string); written {
		n, err = strconv.ParseInt(digits, 0, 64) // as strtoul(3) reads it
	}
	switch {
	case err != nil || n < 0 || n > 0o7777:
		return at.finding(doubtful, "is %s, and must be a mode", plist.Short(v))
	case slices.Contains(octalLooks, digits):
		octal, _ := strconv.ParseInt(digits, 8, 64)
		return at.finding(ignored, "is the decimal %s, so %03o in octal; the octal %s is %d", digits, n, digits, octal)
	}
	return nil
}

func (service) check(at place, v plist.Value) []finding {
	if n, ok := v.(int64); ok {
		return number{1, 65535}.check(at, n)
	}
	return text{}.check(at, v)
}

func (s list) check(at place, v plist.Value) []finding {
	array, ok := v.(plist.Array)
	if !ok {
		return s.of.check(at, v)
	}
	if len(array) < s.least {
		return at.finding(doubtful, "is empty")
	}
	var all []finding
	for i, e := range array {
		all = append(all, checkAs(s.of, at.index(i), e)...)
	}
	return all
}

func (s dictionary) check(at place, v plist.Value) []finding {
	dict, _ := v.(plist.Dict)
	var all []finding
	for _, e := range dict {
		all = append(all, checkAs(s.of, at.name(e.Key), e.Value)...)
	}
	return all
}

func (s object) check(at place, v plist.Value) []finding {
	dict, _ := v.(plist.Dict)
	return checkKeys(s.keys, at, dict)
}

func (s advertised) check(at place, v plist.Value) []finding {
	if v == true {
		return nil
	}
	return s.object.check(at, v)
}

func (s sockets) check(at place, v plist.Value) []finding {
	return at.above(dictionary{list{of: object(s), one: true, least: 1}}.check(at, v))
}

func (events) check(at place, v plist.Value) []finding {
	return at.above(dictionary{dictionary{event{}}}.check(at, v))
}

// event is one of events: a dictionary that may hold anything.
type event struct{ events }

func (event) check(place, plist.Value) []finding { return nil }

// above are findings whose places have none of their own among the attributes.
func (p place) above(found []finding) []finding {
	for i := range found {
		found[i].at = p.at
	}
	return found
}

// checkKeys is what is wrong in a dictionary that should have these keys.
func checkKeys(keys []launchdKey, at place, dict plist.Dict) []finding {
	var all []finding
	seen := map[string]string{}
	for _, e := range dict {
		var names, wants []string
		for _, k := range keys {
			if k.apple == e.Key && k.shape != nil {
				names, wants = append(names, k.name), append(wants, k.shape.wants())
			}
		}
		k, inside := keyFor(keys, e), at.attribute("", e.Key)
		switch before, twice := seen[e.Key]; {
		case k == nil && len(names) > 0:
			inside = at.attribute(names[0], e.Key)
			all = append(all, inside.finding(wrong, "is %s, and must be %s", typeName(e.Value), strings.Join(wants, " or "))...)
		case k == nil:
			all = append(all, inside.finding(ignored, "%s", unknown(e.Key, keys))...)
		case k.name == "":
			all = append(all, inside.finding(ignored, "is a key %s", k.about)...)
		case twice:
			all = append(all, at.attribute(k.name, e.Key).finding(wrong, "cannot be both %s and %s", before, k.name)...)
		default:
			all = append(all, k.shape.check(at.attribute(k.name, e.Key), e.Value)...)
		}
		if k != nil {
			seen[e.Key] = k.name
		}
	}
	return all
}

// unknown is what is said of a key that no table has.
func unknown(key string, keys []launchdKey) string {
	says := "is no key that launchd knows, so it is ignored"
	if meant := meant(key, keys); meant != "" {
		says += "; " + meant + " was probably meant"
	}
	return says
}

// meant is the key that somebody probably meant by another: the same but for capitals and underscores, or nearly the same; "" when none is.
func meant(key string, keys []launchdKey) string {
	best, least := "", 1+min(len(key)/4, 3)
	for _, k := range keys {
		if longer := len(key) - len(k.apple); longer > 6 {
			continue
		}
		if n := distance(folded(key), folded(k.apple)); n < least {
			best, least = k.apple, n
		}
	}
	return best
}

var folding = strings.NewReplacer("_", "", "-", "", " ", "")

func folded(key string) string { return strings.ToLower(folding.Replace(key)) }

// distance is the least number of letters to insert, remove or change to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := last
			if a[i] != b[j] {
				change++
			}
			last = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

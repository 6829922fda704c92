package pf

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustParse(t testing.TB, rules string) *File {
	t.Helper()
	f, err := Parse("rules.pf", []byte(rules), Options{Host: goldenHost()})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestDiff(t *testing.T) {
	const old = "table <t> { 10.0.0.1 10.0.0.2 }\nscrub in\nblock in\npass in proto tcp to port { 22 80 }\npass out\n"
	tests := map[string]struct {
		rules string
		want  []Change
	}{
		"same":        {rules: old},
		"reformatted": {rules: "# x\np = \"{ 22, http }\"\ntable <t> { 10.0.0.2, 10.0.0.1 }\nscrub in all\nblock drop in all\npass in proto tcp from any to any port $p\npass out keep state\n"},
		"added": {
			rules: old + "pass in on lo0\n",
			want:  []Change{{Added, "pass in on lo0 all flags S/SA keep state", Pos{6, 1}}},
		},
		"removed": {
			rules: "table <t> { 10.0.0.1 10.0.0.2 }\nscrub in\nblock in\npass in proto tcp to port 80\npass out\n",
			want:  []Change{{Removed, "pass in proto tcp from any to any port = 22 flags S/SA keep state", Pos{4, 1}}},
		},
		"moved": {
			rules: "table <t> { 10.0.0.1 10.0.0.2 }\nscrub in\npass out\nblock in\npass in proto tcp to port { 22 80 }\n",
			want:  []Change{{Moved, "pass out all flags S/SA keep state", Pos{3, 1}}},
		},
		"table": {
			rules: "table <t> { 10.0.0.1 }\nscrub in\nblock in\npass in proto tcp to port { 22 80 }\npass out\n",
			want: []Change{
				{Removed, "table <t> { 10.0.0.1 10.0.0.2 }", Pos{1, 1}},
				{Added, "table <t> { 10.0.0.1 }", Pos{1, 1}},
			},
		},
		"section": { // The order of rules of different kinds is not a difference.
			rules: "set require-order no\nblock in\npass in proto tcp to port { 22 80 }\npass out\nscrub in\ntable <t> { 10.0.0.1 10.0.0.2 }\n",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a, b := mustParse(t, old), mustParse(t, tt.rules)
			if diff := cmp.Diff(tt.want, Diff(a, b)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got, want := Equal(a, b), tt.want == nil; got != want {
				t.Errorf("Equal is %v, want %v", got, want)
			}
		})
	}
}

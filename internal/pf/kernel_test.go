package pf

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type readbackCase struct {
	Name      string   `json:"name"`
	Rules     string   `json:"rules"`
	SR        []string `json:"sr"`
	SN        []string `json:"sn"`
	Uncertain string   `json:"uncertain"`
	Sub       map[string]struct {
		SR []string `json:"sr"`
		SN []string `json:"sn"`
	} `json:"subanchors"`
}

// TestReadback compares what an anchor shows after a load, inline anchors included: what the golden data calls uncertain
// is only whether a Mac has the same fault there.
func TestReadback(t *testing.T) {
	for _, file := range []string{"golden-readback-open.json", "golden-readback-files-open.json"} {
		for _, c := range readGolden[readbackCase](t, file) {
			t.Run(c.Name, func(t *testing.T) {
				f, err := Parse("rules.pf", []byte(c.Rules), Options{Host: goldenHost(), Anchor: "t"})
				if err != nil {
					t.Fatal(err)
				}
				var k Kernel
				if err := k.Load(time.Time{}, f); err != nil {
					t.Fatal(err)
				}
				check := func(path string, kind Kind, want []string) {
					got, err := k.Rules(path, kind)
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(want, append([]string{}, got...)); diff != "" {
						t.Errorf("%s (-want +got):\n%s", path, diff)
					}
				}
				check("t", FilterRules, c.SR)
				check("t", NATRules, c.SN)
				for path, sub := range c.Sub {
					check(path, FilterRules, sub.SR)
					check(path, NATRules, sub.SN)
				}
			})
		}
	}
}

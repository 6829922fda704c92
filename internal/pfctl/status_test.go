package pfctl

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

// What pfctl printed on Macs of three releases, from transcripts.
func TestParseStatus(t *testing.T) {
	now := time.Unix(1_800_000_000, 0).UTC()
	for name, test := range map[string]struct {
		info, references, limits string
		want                     Status
	}{
		"10.15: the application firewall holds it, and an interface is counted": {
			info: `Status: Enabled for 0 days 00:03:31           Debug: Urgent

Interface Stats for en0               IPv4             IPv6
  Bytes In                           84621              312
  Bytes Out                          23410              144
  Packets In
    Passed                             205                3
    Blocked                              0                0

State Table                          Total             Rate
  current entries                       12               
  searches                             421            2.0/s
Counters
  match                                 88            0.4/s
`,
			references: "TOKENS:\nPID      Process Name                 TOKEN                    TIMESTAMP\n" +
				"618      socketfilterfw               9813589183660731843      0 days 00:03:31\n",
			want: Status{
				Enabled: true, Since: now.Add(-211 * time.Second), States: 12, Counters: map[string]int64{"searches": 421, "match": 88},
				References: []Reference{{PID: 618, Process: "socketfilterfw", Token: "9813589183660731843", Since: now.Add(-211 * time.Second)}},
			},
		},
		"13: disabled since boot": {
			info: `Status: Disabled                              Debug: Urgent

State Table                          Total             Rate
  current entries                        0               
  searches                               0               
  inserts                                0               
Counters
  match                                  0               
`,
			references: "No pf starter references held\n",
			limits: `states        hard limit    10000
app-states    hard limit    10000
src-nodes     hard limit    10000
frags         hard limit     5000
tables        hard limit     1000
table-entries hard limit   200000
`,
			want: Status{
				Counters: map[string]int64{"searches": 0, "inserts": 0, "match": 0},
				Limits: map[string]int64{
					"states": 10000, "app-states": 10000, "src-nodes": 10000, "frags": 5000, "tables": 1000, "table-entries": 200000,
				},
			},
		},
		"26: two hold it, one is ours, one has blanks in its name": {
			info: `Status: Enabled for 8 days 03:22:04           Debug: Urgent

State Table                          Total             Rate
  current entries                       40               
  searches                        21967266           31.2/s
  inserts                           128013            0.2/s
  removals                          127973            0.2/s
Counters
  match                             988220            1.4/s
  bad-timestamp                          0            0.0/s
`,
			references: "TOKENS:\nPID      Process Name                 TOKEN                    TIMESTAMP\n" +
				"21698    pfctl                        15447822800193098702     0 days 00:00:00\n" +
				"4063     some helper                  15053025338191571182     8 days 03:22:04\n",
			want: Status{
				Enabled: true, Since: now.Add(-(8*24*time.Hour + 3*time.Hour + 22*time.Minute + 4*time.Second)), States: 40,
				Counters: map[string]int64{
					"searches": 21967266, "inserts": 128013, "removals": 127973, "match": 988220, "bad-timestamp": 0,
				},
				References: []Reference{
					{PID: 21698, Process: "pfctl", Token: "15447822800193098702", Since: now, Ours: true},
					{PID: 4063, Process: "some helper", Token: "15053025338191571182", Since: now.Add(-(8*24*time.Hour + 3*time.Hour + 22*time.Minute + 4*time.Second))},
				},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseStatus([]remote.Record{
				{Key: "now", Args: "1800000000"},
				{Key: "info", Body: []byte(test.info)},
				{Key: "references", Body: []byte(test.references)},
				{Key: "token", Body: []byte("15447822800193098702\n")},
				{Key: "limits", Body: []byte(test.limits)},
			})
			if err != nil {
				t.Fatal(err)
			}
			if test.want.Limits == nil {
				test.want.Limits = map[string]int64{}
			}
			if d := cmp.Diff(test.want, *got); d != "" {
				t.Error(d)
			}
		})
	}
}

// A pfctl that fails ends with 0, and pf is not disabled for that.
func TestLookAtStatus_fails(t *testing.T) {
	mac := macsim.Start(t, macsim.Mac{})
	mac.Fail(func(argv []string) *macsim.Failure {
		if strings.HasSuffix(strings.Join(argv, " "), "-s info") {
			return &macsim.Failure{Stderr: "pfctl: DIOCGETSTATUS: Operation not supported by device\n"}
		}
		return nil
	})
	_, err := LookAtStatus(t.Context(), dial(t, mac))
	if err == nil || !strings.Contains(err.Error(), "Operation not supported by device") {
		t.Errorf("got %v", err)
	}
}

// Readings at different moments make the same moment of it, also those at another fraction of a second: the Mac's clock stands still
// between its sleeps here.
func TestLookAtStatus_since(t *testing.T) {
	mac := macsim.Start(t, macsim.Mac{Second: time.Hour})
	if _, _, exit := mac.Run(t.Context(), "/sbin/pfctl -q -E"); exit != 0 {
		t.Fatal(exit)
	}
	h := dial(t, mac)
	first, err := LookAtStatus(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	if first.Since.IsZero() || len(first.References) != 1 || first.References[0].Ours {
		t.Fatalf("%+v", first)
	}
	mac.Sleep(90*time.Second + 999*time.Millisecond)
	if _, err := h.Run(t.Context(), remote.Cmd{Script: ":", Writes: true}); err != nil { // what was read is forgotten
		t.Fatal(err)
	}
	second, err := LookAtStatus(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(first.References, second.References); d != "" || !first.Since.Equal(second.Since) {
		t.Errorf("since %v, then %v\n%s", first.Since, second.Since, d)
	}
	if first.Limits["table-entries"] == 0 {
		t.Errorf("limits %v", first.Limits)
	}
}

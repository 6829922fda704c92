package macsim

import (
	"context"
	"fmt"
	"strings"
)

func init() { programs(map[string]command{"/usr/bin/dscl": dscl}) }

// dscl knows `dscl /Search -read /Users/NAME KEY ...` of the local accounts. A value with a blank in it stands on a line of its own.
func dscl(_ context.Context, m *Mac, p *process) int {
	if len(p.Args) < 4 || p.Args[1] != "/Search" && p.Args[1] != "." || strings.TrimPrefix(p.Args[2], "-") != "read" {
		return p.errorf("macsim: only dscl NODE -read is modelled")
	}
	name := strings.TrimPrefix(p.Args[3], "/Users/")
	for _, u := range m.users {
		if u.name != name {
			continue
		}
		values := map[string]string{
			"NFSHomeDirectory": u.home, "UniqueID": fmt.Sprint(u.uid), "PrimaryGroupID": fmt.Sprint(u.gids[0]), "RecordName": u.name,
		}
		for _, key := range p.Args[4:] {
			switch value := values[key]; {
			case value == "":
				fmt.Fprintf(p.Stdout, "No such key: %s\n", key)
			case strings.Contains(value, " "):
				fmt.Fprintf(p.Stdout, "%s:\n %s\n", key, value)
			default:
				fmt.Fprintf(p.Stdout, "%s: %s\n", key, value)
			}
		}
		return 0
	}
	fmt.Fprintln(p.Stderr, "<dscl_cmd> DS Error: -14136 (eDSRecordNotFound)")
	return 56
}

package macsim

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNetstat(t *testing.T) {
	t.Parallel()
	mac := Start(t, Mac{Interfaces: []Interface{
		{Name: "lo0", Addrs: prefixes("127.0.0.1/8", "::1/128")},
		{Name: "en0", Addrs: prefixes("192.168.1.10/24", "2001:db8:1::10/64")},
		{Name: "en1", Addrs: prefixes("10.0.1.5/16")},
		{Name: "utun4", Addrs: prefixes("100.64.0.5/32")},
	}})
	got, stderr, exit := mac.Run(t.Context(), "netstat -rn")
	if exit != 0 {
		t.Fatal(stderr)
	}
	want := `Routing tables

Internet:
Destination        Gateway            Flags               Netif Expire
default            192.168.1.1        UGScg                 en0
127.0.0.1          127.0.0.1          UH                    lo0
192.168.1          link#2             UCS                   en0
10.0/16            link#3             UCS                   en1
100.64.0.5         100.64.0.5         UH                  utun4

Internet6:
Destination                             Gateway                                 Flags               Netif Expire
default                                 2001:db8:1::1                           UGScg                 en0
::1                                     ::1                                     UH                    lo0
2001:db8:1::/64                         link#2                                  UCS                   en0
`
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

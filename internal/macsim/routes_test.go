package macsim

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	m := Start(t, Mac{
		Interfaces: []Interface{
			{Name: "lo0", Addrs: prefixes("127.0.0.1/8", "::1/128")},
			{Name: "en0", Addrs: prefixes("fe80::2/64", "192.168.1.10/24", "2001:db8:1::10/64")},
			{Name: "en1", Addrs: prefixes("10.0.1.5/16", "172.16.3.4/12")},
			{Name: "utun3", Addrs: prefixes("100.64.0.5/32"), Routes: prefixes("100.64.0.0/10")},
			{Name: "utun4", Addrs: prefixes("10.8.0.2/32"), Routes: prefixes("0.0.0.0/1", "128.0.0.0/1", "10.9.0.0/16", "10.10.10.0/24")},
		},
		DefaultRoutes: []string{"en0", "en1"},
	})
	got := byHand(t, m, `netstat -rn; netstat -rn -f inet6 | head -4
		for a in default '-inet6 default' 192.168.1.77 100.64.0.9 8.8.8.8 127.0.0.1; do route -n get $a | head -6; done`)
	want := `Routing tables

Internet:
Destination        Gateway            Flags               Netif Expire
default            192.168.1.1        UGScg                 en0
default            10.0.0.1           UGScIg                en1
127.0.0.1          127.0.0.1          UH                    lo0
192.168.1          link#2             UCS                   en0
10/16              link#3             UCS                   en1
172.16/12          link#3             UCS                   en1
100.64.0.5         100.64.0.5         UH                  utun3
100.64/10          link#4             UCS                 utun3
10.8.0.2           10.8.0.2           UH                  utun4
0/1                link#5             UCS                 utun4
128.0/1            link#5             UCS                 utun4
10.9/16            link#5             UCS                 utun4
10.10.10/24        link#5             UCS                 utun4

Internet6:
Destination                             Gateway                                 Flags               Netif Expire
default                                 fe80::1%en0                             UGcg                  en0
::1                                     ::1                                     UH                    lo0
2001:db8:1::/64                         link#2                                  UCS                   en0
Routing tables

Internet6:
Destination                             Gateway                                 Flags               Netif Expire
   route to: default
destination: default
       mask: default
    gateway: 192.168.1.1
  interface: en0
      flags: <UP,GATEWAY,DONE,STATIC,PRCLONING,GLOBAL>
   route to: default
destination: default
       mask: default
    gateway: fe80::1%en0
  interface: en0
      flags: <UP,GATEWAY,DONE,STATIC,PRCLONING,GLOBAL>
   route to: 192.168.1.77
destination: 192.168.1.0
       mask: 255.255.255.0
  interface: en0
      flags: <UP,DONE,CLONING,STATIC>
 recvpipe  sendpipe  ssthresh  rtt,msec    rttvar  hopcount      mtu     expire
   route to: 100.64.0.9
destination: 100.64.0.0
       mask: 255.192.0.0
  interface: utun3
      flags: <UP,DONE,CLONING,STATIC>
 recvpipe  sendpipe  ssthresh  rtt,msec    rttvar  hopcount      mtu     expire
   route to: 8.8.8.8
destination: 0.0.0.0
       mask: 128.0.0.0
  interface: utun4
      flags: <UP,DONE,CLONING,STATIC>
 recvpipe  sendpipe  ssthresh  rtt,msec    rttvar  hopcount      mtu     expire
   route to: 127.0.0.1
destination: 127.0.0.1
  interface: lo0
      flags: <UP,HOST,DONE>
 recvpipe  sendpipe  ssthresh  rtt,msec    rttvar  hopcount      mtu     expire
       0         0         0         0         0         0      1500         0
`
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestNoRoute(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]*Mac{
		"tunnel": Start(t, Mac{DefaultRoutes: []string{"utun4"}}), "none": Start(t, Mac{DefaultRoutes: []string{}}),
	} {
		got := byHand(t, m, `netstat -rn -f inet | grep default; route -n get default 2>&1; echo $?`)
		want := map[string]string{
			"tunnel": "default            link#12            UCSg                utun4\n   route to: default\ndestination: default\n" +
				"       mask: default\n  interface: utun4\n      flags: <UP,DONE,CLONING,STATIC,GLOBAL>\n" +
				" recvpipe  sendpipe  ssthresh  rtt,msec    rttvar  hopcount      mtu     expire\n" +
				"       0         0         0         0         0         0      1500         0\n0\n",
			"none": "route: writing to routing socket: not in table\n1\n",
		}[name]
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: -want +got:\n%s", name, d)
		}
	}
}

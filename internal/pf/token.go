package pf

// keywords are the words that a rule text cannot use as names without quotes.
var keywords = func() map[string]bool {
	m := make(map[string]bool)
	for _, w := range []string{
		"all", "allow-opts", "altq", "anchor", "antispoof", "any",
		"bandwidth", "binat", "binat-anchor", "bitmask", "block", "block-policy",
		"cbq", "code", "crop",
		"debug", "drop", "drop-ovl", "dummynet", "dummynet-anchor", "dup-to",
		"fastroute", "file", "fingerprints", "flags", "floating", "flush", "for", "fragment", "from",
		"global", "group",
		"hfsc", "hostid",
		"icmp-type", "icmp6-type", "if-bound", "in", "inet", "inet6",
		"keep",
		"label", "limit", "linkshare", "load", "log", "loginterface",
		"max", "max-mss", "max-src-conn", "max-src-conn-rate", "max-src-nodes", "max-src-states", "min-ttl", "modulate",
		"nat", "nat-anchor", "no", "no-df", "no-route", "no-sync",
		"on", "optimization", "os", "out", "overload",
		"pass", "port", "priority", "priq", "probability", "proto",
		"qlimit", "queue", "quick",
		"random", "random-id", "rdr", "rdr-anchor", "realtime", "reassemble", "reply-to", "require-order",
		"return", "return-icmp", "return-icmp6", "return-rst", "round-robin", "route", "route-to", "rtable", "rule",
		"ruleset-optimization",
		"scrub", "scrub-anchor", "set", "skip", "source-hash", "source-track", "state", "state-policy", "static-port",
		"sticky-address", "synproxy",
		"table", "tag", "tagged", "tbrsize", "timeout", "to", "tos", "ttl",
		"upperlimit", "urpf-failed", "user",
	} {
		m[w] = true
	}
	return m
}()

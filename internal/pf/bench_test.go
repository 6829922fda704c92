package pf

import (
	"fmt"
	"strings"
	"testing"
)

// manyRules are n rules as a busy gateway has them.
func manyRules(n int) string {
	var b strings.Builder
	b.WriteString("block all\n")
	for i := 1; i < n; i++ {
		fmt.Fprintf(&b, "pass in on en0 inet proto tcp from 10.%d.%d.0/24 to any port %d keep state label \"r%d\"\n", i>>8&255, i&255, 1024+i%50000, i)
	}
	return b.String()
}

func BenchmarkParse10000(b *testing.B) {
	text := []byte(manyRules(10_000))
	host := goldenHost()
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("rules.pf", text, Options{Host: host}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPrint10000(b *testing.B) {
	f := mustParse(b, manyRules(10_000))
	b.ReportAllocs()
	for b.Loop() {
		f.Verbose()
	}
}

func BenchmarkDiff10000(b *testing.B) {
	x, y := mustParse(b, manyRules(10_000)), mustParse(b, "pass out\n"+manyRules(9_999))
	b.ReportAllocs()
	for b.Loop() {
		Diff(x, y)
	}
}

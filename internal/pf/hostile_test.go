package pf

import (
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Hostile texts are 1 MiB of the worst; reading one takes less than maxTime of the processor and allocates less than maxBytes.
const (
	hostileSize = 1 << 20
	maxTime     = 3 * time.Second // under one here
	maxBytes    = 200 << 20
)

func repeat(s string) string { return strings.Repeat(s, hostileSize/len(s)) }

func hostileTexts() map[string]string {
	list := func(item string, n int) string { return "{ " + strings.Repeat(item+" ", n) + "}" }
	ports := list("80", 1000)
	return map[string]string{
		"braces":       "pass from " + repeat("{ ") + "\n",
		"anchors":      repeat("anchor {\n"),
		"parentheses":  "pass keep state " + repeat("("),
		"rules":        repeat("pass\n"),
		"equal rules":  repeat("pass proto tcp to port 22\n"),
		"hosts":        "block from " + list("10.0.0.1", hostileSize/9) + "\n",
		"distinct":     distinctHosts(),
		"lists":        "pass proto { tcp udp } from " + list("10.0.0.1", 1000) + " port " + ports + " to " + list("10.0.0.2", 1000) + " port " + ports + "\n",
		"bad product":  "pass from " + list("10.0.0.1", 200) + " port " + list("1", 300) + "\n",
		"macros":       "a = \"" + strings.Repeat("x", 8000) + "\"\n" + strings.Repeat("a = $a $a\n", 100),
		"macro uses":   "a = \"" + strings.Repeat("x ", 4000) + "\"\n" + repeat("pass $a\n"),
		"bad lines":    repeat("x\n\n\n\n"),
		"undefined":    repeat("pass on $x\n"),
		"quote":        "pass label \"" + repeat("x"),
		"open quotes":  repeat("\"\n"),
		"one word":     repeat("x"),
		"one number":   repeat("1"),
		"continuation": repeat("\\\n"),
		"comment":      repeat("#"),
		"nul":          repeat("\x00"),
		"tables":       repeat("table <t> { 10.0.0.1 }\n"),
		"options":      "pass " + repeat("tag x ") + "\n",
		"users":        "pass out " + repeat("user 1 ") + "\n",
		"interfaces":   "set skip on " + list("en0", hostileSize/5) + "\n",
		"self":         "block from " + list("self", hostileSize/6) + " to " + list("self", 10) + "\n",
		"labels":       repeat("pass label \"$nr$nr$nr$nr$nr$nr$nr\"\n"),
	}
}

// distinctHosts is one block of rules of which no two can be merged, the worst for the optimizer.
func distinctHosts() string {
	var b strings.Builder
	for i := 0; b.Len() < hostileSize; i++ {
		b.WriteString("pass from 10." + strconv.Itoa(i>>12&255) + "." + strconv.Itoa(i>>4&255) + "." + strconv.Itoa(i&15) + " to 10." + strconv.Itoa(i&255) + ".0.1\n")
	}
	return b.String()
}

func TestHostile(t *testing.T) {
	for name, text := range hostileTexts() {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			start := spent()
			f, err := Parse("hostile.pf", []byte(text), Options{Host: goldenHost(), Optimize: true})
			if err == nil {
				f.Verbose()
			} else if msg := err.Error(); msg == "" {
				t.Error("an error without words")
			}
			took := spent() - start
			runtime.ReadMemStats(&after)
			if took > maxTime && !raceEnabled {
				t.Errorf("took %v", took)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > maxBytes {
				t.Errorf("allocated %d MiB", n>>20)
			}
		})
	}
}

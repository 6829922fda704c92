package remote_test

import (
	"fmt"
	"runtime"
	"strings"
	"time"
)

// leftovers fails a run of tests that leaves a goroutine of this package's or of a connection's behind. Each connection has some, so none is
// left open either.
func leftovers(status int) int {
	for patience := time.Now().Add(10 * time.Second); status == 0; time.Sleep(10 * time.Millisecond) {
		var left []string
		stacks := make([]byte, 16<<20)
		for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
			if !strings.Contains(stack, "remote_test.leftovers(") && (strings.Contains(stack, "internal/remote") || strings.Contains(stack, "crypto/ssh")) {
				left = append(left, stack)
			}
		}
		if len(left) == 0 {
			break
		}
		if time.Now().After(patience) {
			fmt.Printf("%d goroutines are left:\n%s\n", len(left), strings.Join(left, "\n\n"))
			status = 1
		}
	}
	return status
}

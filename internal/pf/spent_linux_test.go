package pf

import (
	"syscall"
	"time"
)

// spent is the processor's time that this thread has taken, which what else the machine does leaves as it is.
func spent() time.Duration {
	const thisThread = 1 // RUSAGE_THREAD
	var usage syscall.Rusage
	if err := syscall.Getrusage(thisThread, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

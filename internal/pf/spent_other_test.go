//go:build !linux

package pf

import "time"

var began = time.Now()

// spent is how long this program has run, where the time of a thread is not to be had.
func spent() time.Duration { return time.Since(began) }

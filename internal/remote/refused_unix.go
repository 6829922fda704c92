//go:build !windows

package remote

import (
	"errors"
	"syscall"
)

func refused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET)
}

//go:build !windows

package remote

import (
	"cmp"
	"context"
	"os"
	"os/exec"
	"syscall"
)

// shellCommand is text as a command of the user's shell, in a session of its own, without a terminal.
func shellCommand(ctx context.Context, text string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, cmp.Or(os.Getenv("SHELL"), "/bin/sh"), "-c", "exec "+text)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // and what it started
	return cmd
}

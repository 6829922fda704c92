package remote

import (
	"cmp"
	"context"
	"os"
	"os/exec"
	"syscall"
)

// shellCommand is text as a command of cmd.exe, which takes it as it stands between the outer quotes, in a process group of its own,
// which Ctrl-C does not reach. Not tried on Windows.
func shellCommand(ctx context.Context, text string) *exec.Cmd {
	shell := cmp.Or(os.Getenv("ComSpec"), "cmd.exe")
	cmd := exec.CommandContext(ctx, shell)
	cmd.SysProcAttr = &syscall.SysProcAttr{CmdLine: `"` + shell + `" /D /S /C "` + text + `"`, CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
	return cmd
}

package macsim

import (
	"context"
	"io"
	"io/fs"
	"maps"
)

// A command is one program of the simulated Mac. It takes the real argv, works on the Mac's state, writes what the
// real program writes to the stream it writes it to, and returns the exit status.
type command func(ctx context.Context, m *Mac, p *process) int

// process is one running program, as its command sees it.
type process struct {
	Args           []string            // argv; Args[0] is the name as it was called
	Dir            string              // working directory, absolute
	Env            func(string) string // the environment; "" when unset
	UID            int                 // effective user; 0 is root, as under sudo
	Stdin          io.Reader           // never nil
	Stdout, Stderr io.Writer

	environ environ     // the whole environment, for programs that start others
	umask   fs.FileMode // what is kept out of the mode of new files
	session *session    // the SSH session that it came over; nil for none
	task    *task       // what signals to this very process reach; nil if none can
	parent  *task       // the shell that started it; nil for none
	outlets *outlets    // what Stdout and Stderr are; nil before it is started
}

// commands are the programs of the Mac, by absolute path. A name without a slash is looked up along PATH among these
// paths; whatever is not here does not exist (exit 127, as in a shell). It is filled by init functions, since programs
// start programs.
var commands = map[string]command{}

// programs adds programs to commands.
func programs(more map[string]command) { maps.Copy(commands, more) }

func init() {
	programs(map[string]command{
		"/sbin/pfctl":     pfctl,
		"/bin/launchctl":  launchctl,
		"/usr/bin/plutil": plutil,
	})
	for _, path := range []string{"/bin/sh", "/bin/bash", "/bin/zsh", "/bin/dash", "/bin/ksh", "/bin/tcsh"} {
		commands[path] = shell
	}
}

package remote

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

//go:embed greet.sh
var greetScript string

//go:embed serve.sh
var serveScript string

// bootstrap is what the login shell is asked to run. Between the single quotes stands nothing that zsh, bash, fish or
// tcsh treat specially: no quote, exclamation mark, backslash or newline.
const bootstrap = `exec /bin/sh -c 'IFS= read -r s && eval "$(printf %s "$s" | /usr/bin/base64 -d)"'`

// shell is the root shell on one connection. It serves one request after the other.
type shell struct {
	client *ssh.Client
	stdin  io.Writer
	stdout *bufio.Reader
	stderr *bufio.Reader
	mark   string
	path   string        // the connection as the Mac sees it: client address and port, server address and port; "unknown" if it does not say
	gone   chan struct{} // closed when the connection has ended
	quiet  atomic.Int64  // for how many nanoseconds no keepalive was answered, if that is why it was closed
}

// openShell starts the root shell on client. All that it needs is sent at once, and the first requests with it, if there are any: they are
// answered if this succeeds, and may have been carried out if it does not. Only where there is a password for sudo, it waits first to be
// asked for it, which is one round trip more: what answers may be no shell, and say again what it got. Every error is a *DialError; the
// caller closes client.
func openShell(ctx context.Context, client *ssh.Client, r *route, sudoPassword string, requests func() []byte) (*shell, error) {
	failed := func(stage Stage, err error) (*shell, error) {
		return nil, r.failure(r.last(), stage, withCause(ctx, err))
	}
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stop()

	channel, asked, err := client.OpenChannel("session", nil)
	if err != nil {
		return failed(StageShell, err)
	}
	go ssh.DiscardRequests(asked) // the exit status of the shell among them, which says nothing
	s := &shell{
		client: client, stdin: channel, stdout: bufio.NewReader(channel), stderr: bufio.NewReader(channel.Stderr()),
		mark: "@" + rand.Text(), gone: make(chan struct{}),
	}
	go func() { _ = client.Wait(); close(s.gone) }()
	// OpenSSH takes nothing for the command before it has started it, so that waiting for its answer costs nothing. That was seen with
	// Debian's; with the one of a Mac it has not been tried, where it can cost a round trip at most.
	started, err := channel.SendRequest("exec", true, ssh.Marshal(struct{ Command string }{bootstrap}))
	if err == nil && !started {
		err = errors.New("the SSH server refuses to run a command")
	}
	if err != nil {
		return failed(StageShell, err)
	}

	next, waiting, err := s.becomeRoot(ctx, sudoPassword)
	if err != nil {
		return failed(stageOf(err), err)
	}
	_, unsent := io.WriteString(s.stdin, next+encode("mark="+s.mark+"\n"+serveScript)+string(requests()))
	// Why it was not taken is what the other side said before it ended.
	ready, err := s.await(ctx, "ready")
	switch err = cmp.Or(err, unsent); {
	case err != nil && ctx.Err() != nil:
		return failed(waiting, err)
	case err != nil:
		return failed(stageOf(err), err)
	}
	said := strings.SplitN(ready, " ", 3) // uname, the version of macOS, the path
	if said[0] != "Darwin" {
		return failed(StageShell, fmt.Errorf("this is not a Mac: uname says %q", said[0]))
	}
	s.path = said[len(said)-1]
	return s, nil
}

// becomeRoot has the login user's shell become root by greet.sh. What it returns is to be sent next, and where it stands if nothing comes
// any more.
func (s *shell) becomeRoot(ctx context.Context, password string) (next string, waiting Stage, err error) {
	greet := func(password string) string {
		return encode("mark=" + s.mark + "\npassword=" + password + "\n" + greetScript)
	}
	if password == "" {
		return greet("no"), StageShell, nil
	}
	_, unsent := io.WriteString(s.stdin, greet("yes"))
	wanted, err := s.await(ctx, "password")
	if err = cmp.Or(err, unsent); err != nil || wanted != "yes" {
		return "", StageShell, err
	}
	// sudo asks three times. The empty lines answer the second and third time, so that a wrong password ends there and the next line is
	// never taken for one.
	return password + "\n\n\n", StageSudo, nil
}

// stageOf is where a shell ended that said this: at sudo, if that is who speaks.
func stageOf(said error) Stage {
	if strings.Contains(said.Error(), "sudo") || strings.Contains(said.Error(), "Sorry") {
		return StageSudo
	}
	return StageShell
}

// await reads up to the header line with this key, and returns the rest of it. The error of a shell that ends before is what it said.
func (s *shell) await(ctx context.Context, key string) (string, error) {
	var noise bytes.Buffer
	for {
		line, err := s.stdout.ReadString('\n')
		if rest, ok := strings.CutPrefix(line, s.mark+" "+key+" "); ok {
			return strings.TrimSpace(rest), nil
		}
		if noise.Len() < 4096 {
			noise.WriteString(line)
		}
		if err != nil {
			said, _ := io.ReadAll(io.LimitReader(s.stderr, 4096))
			if words := strings.TrimSpace(printable(string(said))); words != "" {
				return "", errors.New(words)
			}
			words := strings.TrimSpace(printable(noise.String()))
			switch {
			case ctx.Err() != nil && words == "":
				return "", net.ErrClosed // by us, when the time was over
			case ctx.Err() != nil:
				return "", fmt.Errorf("the login shell only said: %.200s", words)
			case words == "":
				return "", errors.New("the login shell ended, and said nothing")
			}
			return "", fmt.Errorf("the login shell ended, and said: %.200s", words)
		}
	}
}

// send sends requests, each of which is a line. An error for which sent is false comes from a connection that broke before the first
// was whole, so that none of them ever runs.
func (s *shell) send(lines []byte) (sent bool, err error) {
	first := bytes.IndexByte(lines, '\n')
	if _, err := s.stdin.Write(lines[:first]); err != nil {
		return false, err
	}
	_, err = s.stdin.Write(lines[first:])
	return true, err
}

// receive reads the result of the next request that was sent. After an error there is no more to receive.
func (s *shell) receive() (result Result, err error) {
	var stderr bytes.Buffer
	var read sync.WaitGroup
	read.Go(func() { s.readStderr(&stderr) })
	result.Records, result.Exit, err = s.readRecords()
	if err != nil {
		_ = s.client.Close() // so that stderr ends, too
	}
	read.Wait()
	result.Stderr = stderr.String()
	return result, err
}

// request is c as the line that serve.sh reads. A script that writes has the Mac for itself, for as long as lock.
func request(c Cmd, lock time.Duration) []byte {
	var b bytes.Buffer
	if c.Writes {
		fmt.Fprintf(&b, "%d ", int(lock.Seconds())+1)
	} else {
		b.WriteString("0 ")
	}
	var script strings.Builder
	script.WriteString("set --")
	for _, arg := range c.Args {
		script.WriteString(" " + quote(arg))
	}
	script.WriteString("\n" + c.Script)
	b.WriteString(strings.TrimSuffix(encode(script.String()), "\n"))
	for _, name := range slices.Sorted(maps.Keys(c.Files)) {
		b.WriteString(" " + name + ":" + base64.StdEncoding.EncodeToString(c.Files[name]))
	}
	b.WriteByte('\n')
	return b.Bytes()
}

func (s *shell) readRecords() (records []Record, exit int, err error) {
	for {
		line, err := s.stdout.ReadBytes('\n')
		if header, ok := bytes.CutPrefix(line, []byte(s.mark+" ")); ok && err == nil {
			if n := len(records); n > 0 {
				// say begins with a newline of its own.
				records[n-1].Body = bytes.TrimSuffix(records[n-1].Body, []byte("\n"))
			}
			key, args, _ := strings.Cut(string(bytes.TrimSuffix(header, []byte("\n"))), " ")
			if key == "end" {
				exit, err := strconv.Atoi(args)
				return records, exit, err
			}
			records = append(records, Record{Key: key, Args: args})
			continue
		}
		if n := len(records); n > 0 {
			records[n-1].Body = append(records[n-1].Body, line...)
		}
		if err != nil {
			return nil, 0, err
		}
	}
}

// readStderr reads up to the mark, and keeps the first 64 KiB.
func (s *shell) readStderr(b *bytes.Buffer) {
	for {
		line, err := s.stderr.ReadBytes('\n')
		if err != nil || string(line) == s.mark+"\n" {
			// The mark stands on a line of its own.
			if n := b.Len(); n > 0 && b.Bytes()[n-1] == '\n' {
				b.Truncate(n - 1)
			}
			return
		}
		if b.Len()+len(line) <= 64<<10 {
			b.Write(line)
		}
	}
}

// encode is a script as one line.
func encode(script string) string {
	return base64.StdEncoding.EncodeToString([]byte(script)) + "\n"
}

// quote makes one word of s for a POSIX shell, whatever bytes it has; a shell's word can hold no NUL, see [Cmd].
func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

package macsim

import (
	"bytes"
	"context"
	"io"
	"os"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/term"
)

// tty is the terminal of a session. While the shell edits a line, what is typed goes to the editor; while a program runs, it
// goes to the program line by line, echoed, and Ctrl-C and Ctrl-D mean what they do on a terminal.
type tty struct {
	channel ssh.Channel
	editor  *term.Terminal

	mu        sync.Mutex
	typed     *sync.Cond // signalled when keys or gone changes
	keys      []byte     // typed and not yet taken by anybody
	gone      bool       // nothing more will be typed
	program   *os.File   // what the running program's stdin is fed through; nil: the editor takes what is typed
	stdin     *os.File   // where the program reads it
	interrupt context.CancelFunc
	line      []byte   // typed for the program, not yet sent
	sent      int      // bytes the program was sent
	log       []stroke // what was typed for the program
	ended     bool     // Ctrl-D was typed for it
}

// stroke is a key that was typed for a program.
type stroke struct {
	k    byte
	sent int // bytes that the program had been sent before
}

func newTTY(work *sync.WaitGroup, channel ssh.Channel, columns, rows int) *tty {
	t := &tty{channel: channel}
	t.typed = sync.NewCond(&t.mu)
	t.editor = term.NewTerminal(keyboard{t}, "")
	t.resize(columns, rows)
	work.Go(t.listen)
	return t
}

func (t *tty) resize(columns, rows int) {
	if columns > 0 && rows > 0 {
		_ = t.editor.SetSize(columns, rows)
	}
}

// Write shows text of a program: a terminal needs a carriage return before each newline.
func (t *tty) Write(p []byte) (int, error) {
	if _, err := t.channel.Write(bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n"))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// listen takes what is typed until the session ends.
func (t *tty) listen() {
	b := make([]byte, 256)
	for {
		n, err := t.channel.Read(b)
		t.mu.Lock()
		for _, k := range b[:n] {
			t.press(k)
		}
		if err != nil {
			t.gone = true
			if t.program != nil {
				_ = t.program.Close()
			}
			t.typed.Broadcast()
			t.mu.Unlock()
			return
		}
		t.mu.Unlock()
	}
}

const (
	ctrlC     = 3
	ctrlD     = 4
	ctrlE     = 5
	backspace = 8
	ctrlU     = 21
	del       = 127
)

// press is one key; t.mu is held.
func (t *tty) press(k byte) {
	if t.program == nil || t.ended {
		if k == ctrlC && t.program == nil {
			t.keys = append(t.keys, ctrlE, ctrlU, '\r') // another prompt
		} else {
			t.keys = append(t.keys, k)
		}
		t.typed.Broadcast()
		return
	}
	t.log = append(t.log, stroke{k, t.sent})
	switch k {
	case ctrlC:
		t.echo("^C\r\n")
		t.line, t.log = nil, nil
		t.interrupt()
	case ctrlD:
		if len(t.line) > 0 {
			t.send()
			return
		}
		t.ended = true
		_ = t.program.Close()
	case backspace, del:
		if n := len(t.line); n > 0 {
			t.line = t.line[:n-1]
			t.echo("\b \b")
		}
	case ctrlU:
		for range t.line {
			t.echo("\b \b")
		}
		t.line = nil
	case '\r', '\n':
		t.echo("\r\n")
		t.line = append(t.line, '\n')
		t.send()
	default:
		t.line = append(t.line, k)
		t.echo(string(k))
	}
}

func (t *tty) echo(s string) { _, _ = io.WriteString(t.channel, s) }

// send gives the program the line that was typed.
func (t *tty) send() {
	n, _ := t.program.Write(t.line)
	t.sent += n
	t.line = nil
}

// feeds tells whether r is the stdin of the running program.
func (t *tty) feeds(r io.Reader) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stdin != nil && r == t.stdin
}

// cook gives what is typed to a program through the pipe from program to stdin, until raw is called.
func (t *tty) cook(stdin, program *os.File, interrupt context.CancelFunc) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stdin, t.program, t.interrupt = stdin, program, interrupt
	t.line, t.sent, t.log, t.ended = nil, 0, nil, false
	early := t.keys
	t.keys = nil
	for _, k := range early {
		t.press(k)
	}
	if t.gone {
		_ = program.Close()
	}
}

// raw gives what is typed to the editor again, what the program has not read included.
func (t *tty) raw() {
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = t.program.Close()
	unread, _ := io.Copy(io.Discard, t.stdin)
	_ = t.stdin.Close()
	var again []byte
	for _, l := range t.log {
		if l.sent >= t.sent-int(unread) && (unread > 0 || !t.ended) {
			again = append(again, l.k)
		}
	}
	t.keys = append(again, t.keys...)
	t.stdin, t.program = nil, nil
	t.typed.Broadcast()
}

// keyboard is what the editor reads and writes. It gives one key at a time, so that what follows a line is left for the
// program that the line runs.
type keyboard struct{ t *tty }

func (k keyboard) Read(p []byte) (int, error) {
	t := k.t
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.keys) == 0 && !t.gone {
		t.typed.Wait()
	}
	if len(t.keys) == 0 {
		return 0, io.EOF
	}
	p[0] = t.keys[0]
	t.keys = t.keys[1:]
	return 1, nil
}

func (k keyboard) Write(p []byte) (int, error) { return k.t.channel.Write(p) }

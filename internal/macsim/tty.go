package macsim

import (
	"bytes"
	"context"
	"io"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/term"
)

// tty is the terminal of a session. While the login shell edits a line, what is typed goes to its editor; while a program runs, it
// goes to the program line by line, echoed, and Ctrl-C and Ctrl-D mean what they do on a terminal. What is typed ahead and
// not read by the program is the shell's then.
type tty struct {
	channel ssh.Channel
	editor  *term.Terminal

	mu        sync.Mutex
	typed     *sync.Cond // signalled when there is something to read, for whomever
	gone      bool       // nothing more will be typed
	keys      []byte     // for the editor
	cooked    bool       // a program runs
	silent    bool       // it does not want an echo
	line      []byte     // typed for it, and not yet ended
	lines     [][]byte   // typed for it; an empty one is Ctrl-D
	broken    bool       // Ctrl-C was typed: its reads fail
	interrupt context.CancelFunc
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

// Read is the running program's: it returns one line at most.
func (t *tty) Read(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.lines) == 0 && !t.gone && !t.broken {
		t.typed.Wait()
	}
	if t.broken || len(t.lines) == 0 {
		return 0, io.EOF
	}
	if len(t.lines[0]) == 0 {
		t.lines = t.lines[1:]
		return 0, io.EOF // once: what is typed then can be read again
	}
	n := copy(p, t.lines[0])
	if t.lines[0] = t.lines[0][n:]; len(t.lines[0]) == 0 {
		t.lines = t.lines[1:]
	}
	return n, nil
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
		t.gone = err != nil
		t.typed.Broadcast()
		t.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// hangUp ends all reading.
func (t *tty) hangUp() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gone = true
	t.typed.Broadcast()
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
	if !t.cooked {
		if k == ctrlC {
			t.keys = append(t.keys, ctrlE, ctrlU, '\r') // another prompt
		} else {
			t.keys = append(t.keys, k)
		}
		return
	}
	switch k {
	case ctrlC:
		t.echo("^C\r\n")
		t.line, t.lines, t.broken = nil, nil, true
		t.interrupt()
	case ctrlD:
		t.lines = append(t.lines, t.line)
		t.line = nil
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
		t.lines = append(t.lines, append(t.line, '\n'))
		t.line = nil
	default:
		t.line = append(t.line, k)
		t.echo(string(k))
	}
}

func (t *tty) echo(s string) {
	if !t.silent {
		_, _ = io.WriteString(t.channel, s)
	}
}

// hush ends the echo, or begins it again.
func (t *tty) hush(silent bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.silent = silent
}

// cook gives what is typed to a program, until raw is called. Ctrl-C calls interrupt.
func (t *tty) cook(interrupt context.CancelFunc) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cooked, t.broken, t.interrupt = true, false, interrupt
	early := t.keys
	t.keys = nil
	for _, k := range early {
		t.press(k)
	}
}

// raw gives what is typed to the editor again, what the program has not read included.
func (t *tty) raw() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.lines {
		if len(l) == 0 {
			l = []byte{ctrlD}
		}
		t.keys = append(t.keys, l...)
	}
	t.keys = append(t.keys, t.line...)
	t.cooked, t.silent, t.line, t.lines = false, false, nil, nil
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

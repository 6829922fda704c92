package remote

import (
	"errors"
	"runtime"
	"testing"
)

// A ProxyCommand that has ended is told as that, with its words, also when writing to it is what fails.
func TestCommandEndedOnWrite(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the command is one for sh")
	}
	conn, err := startCommand("echo no way >&2; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for err == nil {
		_, err = conn.Write([]byte("SSH-2.0-Go\r\n"))
	}
	var ended *commandError
	if !errors.As(err, &ended) || ended.said != "no way" {
		t.Errorf("got %v", err)
	}
}

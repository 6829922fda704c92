package remote

import (
	"bufio"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadRecords(t *testing.T) {
	const out = "noise\n" +
		"\n@M first\nbody" +
		"\n@M second with args\n\nlines\n\n@Mx not a header\n" +
		"\n@M third\n" +
		"\n@M end 7\n"
	s := &shell{mark: "@M", stdout: bufio.NewReader(strings.NewReader(out))}
	got, exit, err := s.readRecords()
	want := []Record{
		{Key: "first", Body: []byte("body")},
		{Key: "second", Args: "with args", Body: []byte("\nlines\n\n@Mx not a header\n")},
		{Key: "third", Body: []byte("")},
	}
	if diff := cmp.Diff(want, got); diff != "" || exit != 7 || err != nil {
		t.Errorf("exit %d, error %v, records -want +got:\n%s", exit, err, diff)
	}
}

// What ends before the status is no answer, whatever came until then.
func TestReadRecordsCut(t *testing.T) {
	const out = "\n@M first\nbody\n\n@M end 0\n"
	for n := range len(out) {
		s := &shell{mark: "@M", stdout: bufio.NewReader(strings.NewReader(out[:n]))}
		if _, _, err := s.readRecords(); err == nil {
			t.Errorf("no error after %q", out[:n])
		}
	}
}

// FuzzQuote has the host's own shell say what it read.
func FuzzQuote(f *testing.F) {
	if runtime.GOOS == "windows" {
		f.Skip("a program on Windows gets its arguments as one text, which it divides as it likes")
	}
	sh, err := exec.LookPath("sh")
	if err != nil {
		f.Skip("no sh here")
	}
	for _, s := range []string{"", "plain", "a b", "a'b; rm -rf /; $(x)", "''", "\\", "\n\n", "-n", "é\xff", "`$HOME`!", "\r\t*?[a]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsRune(s, 0) {
			t.Skip("Run refuses NUL")
		}
		out, err := exec.Command(sh, "-c", "set -- "+quote(s)+`; printf %s "$1"`).Output()
		if err != nil || string(out) != s {
			t.Errorf("%q arrives as %q (%v)", s, out, err)
		}
	})
}

// Package guides holds no code. Its tests hold the guides in templates/guides, and the README, to what they say: commands are run, what is
// shown of their output is compared, and configurations are validated.
//
// # What a guide is to its test
//
// A guide is a session from its top to its end, in a home directory of its own. What reaches the simulated Mac "mini" is in ssh's
// configuration there. These blocks count:
//
//   - console: commands, and what they print. "$ " begins a command here; "mini$ " one that is run on the Mac over ssh; "mini# " one that is run
//     by root at the Mac itself. A line that begins with "> " continues a command. In what a command prints, "..." stands for anything within
//     a line, and for any number of lines where it stands alone; what shows nothing, prints anything. A command fails if what it
//     prints has a line with "Error: ", and else must not.
//   - terraform: a configuration, which must be valid. A comment before it, such as <!-- main.tf -->, makes it a file.
//   - text and others: not read. There is no block for commands that nobody runs: sh, bash and shell are refused.
//
// A paragraph that says what cannot be had here, "**On a real Mac:**" for instance, excuses the block that follows from being run.
// Comments such as <!-- another terminal --> are words of the test, see words_test.go.
//
// With -update, what commands print is written into the guides, where it is not what they show. It is to be shortened by hand then.
package guides

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write into the guides what commands print")

// recordedWith is the version of Terraform whose words stand in the guides. Under others, and under OpenTofu, everything is run, and only
// what commands print is not compared.
const recordedWith = "Terraform v1.11."

func TestGuides(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the guides are written for a POSIX shell")
	}
	for _, tool := range []string{"sh", "ssh"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the guides are run with %s, which is not installed", tool)
		}
	}
	tools := build(t)
	files, err := filepath.Glob("../../templates/guides/*.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("no guides are found: %v", err)
	}
	for _, file := range append(files, "../../README.md") {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".md"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := newSession(t, file, string(text), tools)
			after := s.walk(string(text))
			s.validate()
			if *update && after != string(text) {
				if err := os.WriteFile(file, []byte(after), 0o644); err != nil { //nolint:gosec // a file of the repository, for everybody to read
					t.Fatal(err)
				}
			}
		})
	}
}

// excuse is a paragraph that says why the block after it is not run.
var excuse = regexp.MustCompile(`^\*\*(On a real Mac|On a real tailnet|In GitHub Actions|실제 Mac에서)(, [^*]*)?:\*\*$`)

// walk does what the guide says, and returns the guide as it should be.
func (s *session) walk(text string) string {
	var out, comments []string
	var before string // the paragraph before a block
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		out = append(out, line)
		if word, ok := strings.CutPrefix(line, "<!-- "); ok && strings.HasSuffix(word, " -->") {
			comments = append(comments, strings.TrimSuffix(word, " -->"))
			continue
		}
		fence := strings.TrimSpace(line)
		if !strings.HasPrefix(fence, "```") {
			if fence != "" {
				before = fence
			}
			continue
		}
		indent := line[:strings.Index(line, "```")]
		b := block{line: i + 1, language: strings.TrimPrefix(fence, "```"), excused: excuse.MatchString(before), words: comments}
		for i++; i < len(lines) && strings.TrimSpace(lines[i]) != "```"; i++ {
			b.lines = append(b.lines, strings.TrimPrefix(lines[i], indent))
		}
		for _, l := range s.do(b) {
			out = append(out, strings.TrimRight(indent+l, " "))
		}
		if i < len(lines) {
			out = append(out, lines[i])
		}
		comments, before = nil, ""
	}
	return strings.Join(out, "\n")
}

// block is a fenced block of a guide.
type block struct {
	line     int // where it begins
	language string
	excused  bool
	words    []string // the comments before it
	lines    []string
}

// do does what a block says, and returns its lines as they should be.
func (s *session) do(b block) []string {
	s.at = b.line
	var file string
	for _, word := range b.words {
		if does, ok := words[word]; ok {
			does(s)
		} else if file = word; !strings.Contains(word, ".") || strings.Contains(word, " ") {
			s.errorf("the test does not know the word %q", word)
		}
	}
	switch b.language {
	case "console":
		if b.excused {
			return b.lines
		}
		return s.console(b.lines)
	case "terraform":
		text := strings.Join(b.lines, "\n") + "\n"
		if file == "" {
			s.fragments = append(s.fragments, fragment{b.line, text})
		} else {
			s.write(file, text)
		}
	case "text":
		if s.ending != nil {
			return s.shown("what it ends with", b.lines, s.ending())
		}
	case "sh", "bash", "shell", "hcl", "tf":
		s.errorf("commands are to be in a console block, configurations in a terraform block: this is %q", b.language)
	}
	return b.lines
}

// prompts are where commands are typed, as the guides show it.
var prompts = regexp.MustCompile(`^(\$|mini\$|mini#) (.*)$`)

// console runs the commands of a block.
func (s *session) console(lines []string) []string {
	var out []string
	for i := 0; i < len(lines); {
		m := prompts.FindStringSubmatch(lines[i])
		if m == nil {
			s.errorf("this is neither a command nor what one prints: %q", lines[i])
			return lines
		}
		out = append(out, lines[i])
		command := m[2]
		for i++; i < len(lines) && strings.HasPrefix(lines[i], "> "); i++ {
			command += "\n" + lines[i][2:]
			out = append(out, lines[i])
		}
		from := i
		for i < len(lines) && !prompts.MatchString(lines[i]) {
			i++
		}
		out = append(out, s.command(m[1], command, lines[from:i])...)
	}
	return out
}

// command runs one command, and returns what it should show.
func (s *session) command(prompt, command string, want []string) []string {
	wantError := slices.ContainsFunc(want, func(l string) bool { return strings.Contains(l, "Error: ") })
	said, err := s.run(prompt, command)
	if (err != nil) != wantError && !*update {
		s.errorf("%s ended with: %v\n%s", command, err, said)
	}
	return s.shown(command, want, said)
}

// shown compares what a command printed, and returns what it should show.
func (s *session) shown(command string, want []string, said string) []string {
	trim := func(t string) string { return strings.Trim(t, "\n") }
	said = trim(s.plain(said))
	text := trim(strings.Join(want, "\n"))
	if text == "" || !s.compares || pattern(steady(text)).MatchString(steady(said)) {
		return want
	}
	if !*update {
		s.errorf("%s should print\n%s\nand prints\n%s", command, text, said)
		return want
	}
	lines := strings.Split(said, "\n")
	if n := len(want); n > 0 && want[n-1] == "" {
		lines = append(lines, "")
	}
	return lines
}

var (
	times  = regexp.MustCompile(`after \d+s`)
	hidden = regexp.MustCompile(`\(\d+ unchanged`)
	spaces = regexp.MustCompile(`(\S)  +`)
)

// steady is an output without what says nothing: how long things took, how many attributes there are besides, and how long the longest of
// their names is.
func steady(text string) string {
	text = times.ReplaceAllString(text, "after 0s")
	text = hidden.ReplaceAllString(text, "(0 unchanged")
	return spaces.ReplaceAllString(text, "$1 ")
}

var elide = strings.NewReplacer(`\.\.\.\.`, `\..*`, `\.\.\.`, `.*`) // of four dots, the first is one

// pattern matches what a guide shows of an output.
func pattern(text string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`\A`)
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \n")
		if strings.TrimSpace(line) == "..." {
			b.WriteString(`(?:.*(?:\n|\z))*?`)
			continue
		}
		b.WriteString(elide.Replace(regexp.QuoteMeta(line)) + ` *(?:\n|\z)`)
	}
	b.WriteString(`\z`)
	return regexp.MustCompile(b.String())
}

func TestPattern(t *testing.T) {
	for _, test := range []struct {
		shown, said string
		want        bool
	}{
		{"a\nb", "a\nb", true},
		{"a\nb", "a\nb\nc", false},
		{"a\n...\nc", "a\nb\nb\nc", true},
		{"a\n...", "a", true},
		{"a\n...", "a\nb", true},
		{"...\nb", "a\nb", true},
		{"...\nb", "a\nb\nc", false},
		{"a ... c", "a b c", true},
		{"a ... c", "a b d", false},
		{"a.... c", "a.b c", true},
		{"a.... c", "a b c", false},
		{"done after 0s", "done after 12s", true},
		{"  a    = 1", "  a = 1", true},
		{"    a = 1", "  a = 1", false},
		{"a.c", "abc", false},
	} {
		if got := pattern(steady(test.shown)).MatchString(steady(test.said)); got != test.want {
			t.Errorf("%q against %q: got %v, want %v", test.shown, test.said, got, test.want)
		}
	}
}

// errorf reports what is wrong at the block that is done.
func (s *session) errorf(format string, args ...any) {
	s.t.Helper()
	s.t.Errorf("%s:%d: %s", filepath.Base(s.file), s.at, fmt.Sprintf(format, args...))
}

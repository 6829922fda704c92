package remote

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
)

// account is the user that runs this process, as ssh knows it: by the user database, whatever USER and HOME say.
var account = sync.OnceValues(func() (*user.User, error) {
	me, err := user.LookupId(strconv.Itoa(os.Getuid()))
	if err != nil || runtime.GOOS == "windows" {
		me, err = user.Current()
	}
	if err != nil {
		return nil, fmt.Errorf("who runs this process: %w", err)
	}
	// Windows answers DOMAIN\user.
	me.Username = me.Username[strings.LastIndexByte(me.Username, '\\')+1:]
	return me, nil
})

// expander replaces what stands for something else in the names of files, and keeps the first error.
type expander struct {
	home   string
	tokens map[byte]string // of %h and the like
	err    error
}

// files expands names of files; "none" stands for no file.
func (e *expander) files(names []string) []string {
	expanded := []string{}
	for _, name := range names {
		if unlessNone(name) != "" {
			expanded = append(expanded, e.file(name))
		}
	}
	return expanded
}

func (e *expander) file(text string) string {
	name, err := expandTokens(text, e.tokens)
	if err == nil {
		name, err = expandVariables(name)
	}
	if err != nil && e.err == nil {
		e.err = fmt.Errorf("%q: %w", text, err)
	}
	return inHome(name, e.home)
}

// expandTokens replaces %h and the like. An error does not tell the text, which may be a command with secrets.
func expandTokens(text string, tokens map[byte]string) (string, error) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "%")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		if after == "" {
			return "", errors.New("a percent sign stands at the end")
		}
		value, ok := tokens[after[0]]
		if !ok {
			return "", fmt.Errorf("%%%c is not supported here", after[0])
		}
		b.WriteString(value)
		text = after[1:]
	}
}

// expandVariables replaces ${NAME} by the environment variable of that name, which must be set.
func expandVariables(text string) (string, error) {
	before, rest, found := strings.Cut(text, "${")
	name, after, closed := strings.Cut(rest, "}")
	if !found || !closed {
		return text, nil
	}
	value, ok := os.LookupEnv(name)
	if !ok {
		return "", fmt.Errorf("the environment variable %s is not set", name)
	}
	after, err := expandVariables(after)
	return before + value + after, err
}

func inHome(file, home string) string {
	if rest, ok := strings.CutPrefix(file, "~/"); ok {
		return filepath.Join(home, rest)
	}
	return file
}

// paths splits a value that holds several. ssh -G prints them without quotes, so a word that cannot begin a path belongs to the one
// before it.
func paths(value string) []string {
	var all []string
	for word := range strings.SplitSeq(value, " ") {
		word = strings.Replace(word, "__PROGRAMDATA__", os.Getenv("ProgramData"), 1) // in Windows' defaults
		begins := filepath.IsAbs(word) || strings.HasPrefix(word, "/") || strings.HasPrefix(word, "~/") || strings.HasPrefix(word, "%") ||
			strings.HasPrefix(word, "${") || word == "none"
		if begins || len(all) == 0 {
			all = append(all, word)
		} else {
			all[len(all)-1] += " " + word
		}
	}
	return all
}

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

// account is the user that runs this process, as ssh knows it: by the user database, whatever USER and HOME say. Of one that is not in it
// (as in a container that runs with another uid) these two are all that is known, and what they do not say is empty.
var account = sync.OnceValue(func() *user.User {
	uid := strconv.Itoa(os.Getuid())
	me, err := user.LookupId(uid)
	if err != nil || runtime.GOOS == "windows" {
		me, err = user.Current()
	}
	if err != nil {
		me = &user.User{Uid: uid, Username: os.Getenv("USER"), HomeDir: os.Getenv("HOME")}
	}
	// Windows answers DOMAIN\user.
	me.Username = me.Username[strings.LastIndexByte(me.Username, '\\')+1:]
	return me
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
	if err == nil {
		name, err = inHome(name, e.home)
	}
	if err != nil && e.err == nil {
		e.err = fmt.Errorf("%q: %w", text, err)
	}
	return name
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

// inHome replaces a leading ~ by the home folder, which must be known then, and ~NAME by that of a user.
func inHome(file, home string) (string, error) {
	first, rest, _ := strings.Cut(file, "/")
	name, ok := strings.CutPrefix(first, "~")
	switch {
	case !ok:
		return file, nil
	case name != "":
		other, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		home = other.HomeDir
	case home == "":
		return "", errors.New("whoever runs this process has no home folder: the user database does not know the user, and HOME is not set")
	}
	return filepath.Join(home, rest), nil
}

// paths splits a value that holds several. ssh -G prints them without quotes, so a word that cannot begin a path belongs to the one
// before it, unless that is a file already.
func paths(value, home string) []string {
	var all []string
	for word := range strings.SplitSeq(value, " ") {
		word = strings.Replace(word, "__PROGRAMDATA__", os.Getenv("ProgramData"), 1) // in Windows' defaults
		begins := len(all) == 0 || word == "none" || filepath.IsAbs(word) || strings.HasPrefix(word, "${") || strings.IndexAny(word, "/~%.") == 0
		if !begins {
			before, _ := inHome(all[len(all)-1], home)
			info, err := os.Stat(before)
			begins = err == nil && info.Mode().IsRegular()
		}
		if begins {
			all = append(all, word)
		} else {
			all[len(all)-1] += " " + word
		}
	}
	return all
}

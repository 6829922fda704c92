package remote

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// configFile is a file of ssh's configuration.
type configFile struct {
	path   string
	folder string // of the files that it includes, unless they are given by their whole path
	home   string // what ~ stands for; empty: it is not known
	system bool   // it is the system's, not the user's
}

type configFiles []configFile

// line is a line of configuration that says something. Its keyword is in lower case.
type line struct {
	keyword, value string
	file           string
	meant          bool // for the host in question: it does not stand under a Host that is for others
}

// findConfig returns the files that ssh would read, in that order; one that does not exist says nothing, and who has no home has none
// there. A client that keeps its system-wide file elsewhere (Homebrew's) is asked about that file only if the user's says something, too.
func findConfig(file string) (configFiles, error) {
	if file == "none" {
		return nil, nil
	}
	const users = "~/.ssh"
	home := account().HomeDir
	if file != "" {
		if _, err := os.Stat(file); err != nil {
			return nil, err
		}
		return configFiles{{path: file, folder: users, home: home}}, nil
	}
	system := "/etc/ssh"
	if runtime.GOOS == "windows" {
		system = filepath.Join(os.Getenv("ProgramData"), "ssh")
	}
	files := configFiles{{path: filepath.Join(system, "ssh_config"), folder: system, home: home, system: true}}
	if home != "" {
		files = append(configFiles{{path: filepath.Join(home, ".ssh", "config"), folder: users, home: home}}, files...)
	}
	return files, nil
}

// say reports whether any line is what is looked for, in these files or those that they include.
func (files configFiles) say(host string, what func(line) bool) (bool, error) {
	for _, f := range files {
		if said, err := f.says(host, true, what, 0); said || err != nil {
			return said, err
		}
	}
	return false, nil
}

// says is say for one file. What a file says that is included under a Host is not meant where that Host is not. A folder says nothing, as
// with ssh.
func (f configFile) says(host string, meant bool, what func(line) bool, depth int) (bool, error) {
	const deepest = 16 // as in ssh
	if depth > deepest {
		return false, fmt.Errorf("%s: too many files include each other", f.path)
	}
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
		return false, nil
	}
	text, err := os.ReadFile(f.path)
	if err != nil {
		return false, err
	}
	here := meant
	for written := range strings.Lines(string(text)) {
		keyword, value := splitLine(written)
		if keyword == "" {
			continue
		}
		switch keyword {
		case "host":
			here = meant && matchAny(words(value), host)
		case "match":
			here = meant
		}
		if what(line{keyword, value, f.path, here}) {
			return true, nil
		}
		if keyword != "include" {
			continue
		}
		for _, name := range words(value) {
			if !filepath.IsAbs(name) && !strings.HasPrefix(name, "~") {
				name = f.folder + "/" + name
			}
			pattern, err := inHome(name, f.home)
			if err != nil {
				return false, fmt.Errorf("%s: Include %q: %w", f.path, name, err)
			}
			included, err := glob(pattern)
			if err != nil {
				return false, fmt.Errorf("%s: Include %q: %w", f.path, name, err)
			}
			for _, path := range included {
				if said, err := (configFile{path, f.folder, f.home, f.system}).says(host, here, what, depth+1); said || err != nil {
					return said, err
				}
			}
		}
	}
	return false, nil
}

// glob finds the files of a pattern as glob(3) does: what may be anything at the beginning of a name is no dot.
func glob(pattern string) ([]string, error) {
	pattern = filepath.Clean(pattern)
	found, err := filepath.Glob(pattern)
	patterns := strings.Split(pattern, string(os.PathSeparator))
	return slices.DeleteFunc(found, func(path string) bool {
		for i, name := range strings.Split(path, string(os.PathSeparator)) {
			if strings.HasPrefix(name, ".") && !strings.HasPrefix(patterns[i], ".") {
				return true
			}
		}
		return false
	}), err
}

// splitLine splits a line after its keyword, which may stand in quotes, at blanks and an equals sign. Comments and empty lines have no
// keyword.
func splitLine(text string) (keyword, value string) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "#") {
		return "", ""
	}
	if quoted, ok := strings.CutPrefix(text, `"`); ok {
		keyword, value, _ = strings.Cut(quoted, `"`)
	} else {
		end := strings.IndexAny(text+" ", " \t=")
		keyword, value = text[:end], text[end:]
	}
	return strings.ToLower(keyword), strings.TrimLeft(value, " \t=")
}

// words splits a value at blanks that do not stand in quotes, up to a comment. A backslash takes from a quote, a blank or another
// backslash what they mean.
func words(value string) []string {
	var all []string
	var word []byte // nil between words
	quote := byte(0)
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch {
		case c == '\\' && i+1 < len(value) && (strings.IndexByte(`"'\`, value[i+1]) >= 0 || quote == 0 && value[i+1] == ' '):
			i++
			word = append(word, value[i])
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
			word = append([]byte{}, word...)
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == ' ' || c == '\t'):
			if word != nil {
				all = append(all, string(word))
			}
			word = nil
		case c == '#' && word == nil:
			return all
		default:
			word = append(word, c)
		}
	}
	if word != nil {
		all = append(all, string(word))
	}
	return all
}

// options are what the files say about a host, as far as that can be told without an ssh program, and as ssh -G would print it. The
// system-wide file comes with such a program, and is left aside. Match lines may ask for what only ssh knows, and are refused.
func (files configFiles) options(host string) ([]option, error) {
	files = slices.DeleteFunc(files, func(f configFile) bool { return f.system })
	var options []option
	var refused line
	stopped, err := files.say(host, func(l line) bool {
		value := strings.Join(words(l.value), " ")
		switch {
		case l.keyword == "match" && !strings.EqualFold(value, "all"):
			refused = l
			return true
		case l.keyword == "proxycommand" || l.keyword == "proxyjump":
			value = l.value
		}
		if l.meant && slices.Contains(honored, l.keyword) {
			options = append(options, option{l.keyword, value})
		}
		return false
	})
	if err != nil {
		return nil, err
	}
	if stopped {
		criterion, _, _ := strings.Cut(refused.value, " ") // what follows may be a command, in which there can be secrets
		return nil, fmt.Errorf("%s says \"Match %s\", which only an ssh program understands, and none is installed here", refused.file, criterion)
	}
	for i, o := range options {
		if o.keyword == "hostname" {
			if options[i].value, err = expandTokens(o.value, map[byte]string{'%': "%", 'h': host}); err != nil {
				return nil, fmt.Errorf("HostName %q: %w", o.value, err)
			}
		}
	}
	return options, nil
}

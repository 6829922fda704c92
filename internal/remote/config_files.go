package remote

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/kevinburke/ssh_config"
)

// configFile is a file of ssh's configuration.
type configFile struct {
	path   string
	folder string // of the files that it includes, unless they are given by their whole path
	home   string // what ~ stands for
}

type configFiles []configFile

// findConfig returns the files that ssh would read, in that order; one that does not exist says nothing. A client that keeps its
// system-wide file elsewhere (Homebrew's) is asked about that file only if the user's says something, too.
func findConfig(file string) (configFiles, error) {
	if file == "none" {
		return nil, nil
	}
	me, err := account()
	if err != nil {
		return nil, err
	}
	users := filepath.Join(me.HomeDir, ".ssh")
	if file != "" {
		if _, err := os.Stat(file); err != nil {
			return nil, err
		}
		return configFiles{{file, users, me.HomeDir}}, nil
	}
	system := "/etc/ssh"
	if runtime.GOOS == "windows" {
		system = filepath.Join(os.Getenv("ProgramData"), "ssh")
	}
	return configFiles{{filepath.Join(users, "config"), users, me.HomeDir}, {filepath.Join(system, "ssh_config"), system, me.HomeDir}}, nil
}

// say reports whether any line is what is looked for, in these files or those that they include.
func (files configFiles) say(what func(keyword, value string) bool) (bool, error) {
	for _, f := range files {
		if said, err := f.says(what, 0); said || err != nil {
			return said, err
		}
	}
	return false, nil
}

func (f configFile) says(what func(keyword, value string) bool, depth int) (bool, error) {
	const deepest = 16 // as in ssh
	if depth > deepest {
		return false, fmt.Errorf("%s: too many files include each other", f.path)
	}
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		keyword, value := splitLine(lines.Text())
		if what(keyword, value) {
			return true, nil
		}
		if strings.Trim(keyword, `"`) != "include" {
			continue
		}
		for _, name := range words(value) {
			if name = inHome(name, f.home); !filepath.IsAbs(name) {
				name = filepath.Join(f.folder, name)
			}
			included, err := filepath.Glob(name)
			if err != nil {
				return false, fmt.Errorf("%s: %q: %w", f.path, name, err)
			}
			for _, path := range included {
				if said, err := (configFile{path, f.folder, f.home}).says(what, depth+1); said || err != nil {
					return said, err
				}
			}
		}
	}
	return false, lines.Err()
}

// splitLine splits a line at the first blank or equals sign. Comments and empty lines have no keyword. One in quotes keeps them.
func splitLine(line string) (keyword, value string) {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "#") {
		return "", ""
	}
	keyword = line
	if end := strings.IndexAny(line, " \t="); end >= 0 {
		keyword, value = line[:end], strings.TrimLeft(line[end:], " \t=")
	}
	return strings.ToLower(keyword), value
}

// words splits a value at blanks that do not stand in quotes.
func words(value string) []string {
	quoted := false
	all := strings.FieldsFunc(value, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && (r == ' ' || r == '\t')
	})
	for i := range all {
		all[i] = strings.ReplaceAll(all[i], `"`, "")
	}
	return all
}

// options are what the files say about a host, as far as that can be told without an ssh program. The system-wide file comes with such
// a program, and is left aside. The library takes some Match lines for others, and does not know quotes around a keyword or the name of a
// file to include, so all of these are refused.
func (files configFiles) options(host string) ([]option, error) {
	files = files[:1]
	var line string
	refused, err := files.say(func(keyword, value string) bool {
		line = keyword + " " + value
		switch keyword {
		case "match":
			return !strings.EqualFold(value, "all")
		case "include":
			return strings.Contains(value, `"`)
		}
		return strings.HasPrefix(keyword, `"`)
	})
	if err != nil {
		return nil, err
	}
	if refused {
		return nil, fmt.Errorf("%s says %q, which only an ssh program understands, and none is installed here", files[0].path, line)
	}
	text, err := os.ReadFile(files[0].path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	config, err := ssh_config.DecodeBytes(text)
	if err != nil {
		return nil, fmt.Errorf("%s, which no ssh program is installed here to read: %w", files[0].path, err)
	}
	var options []option
	for _, keyword := range honored {
		values, err := config.GetAll(host, keyword)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", files[0].path, err)
		}
		for _, value := range values {
			value = strings.Trim(value, `"`)
			if keyword == "hostname" {
				given := value
				if value, err = expandTokens(given, map[byte]string{'%': "%", 'h': host}); err != nil {
					return nil, fmt.Errorf("HostName %q: %w", given, err)
				}
			}
			options = append(options, option{keyword, value})
		}
	}
	return options, nil
}

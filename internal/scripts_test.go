package internal

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mvdan.cc/sh/v3/syntax"
)

// builtins are the shell's own commands that mean the same in the shell of every Mac and in that of the simulated one.
// Left out on purpose: echo (printf), local, readonly, kill, ulimit, source, type and command.
var builtins = strings.Fields(`
	: [ break cd continue eval exec exit export false printf pwd read return set shift test trap true umask unset wait`)

// tools are where macOS keeps them. One can be added that every supported macOS has there without anything installed;
// timeout, flock, setsid, getent, tac, nproc and the like exist nowhere, and realpath, jq and lockf only since 13 or 15.
var tools = strings.Fields(`
	/bin/cat /bin/chmod /bin/cp /bin/date /bin/dd /bin/df /bin/launchctl /bin/ln /bin/ls /bin/mkdir /bin/mv /bin/ps /bin/rm
	/bin/rmdir /bin/sh /bin/sleep /bin/sync
	/sbin/ifconfig /sbin/md5 /sbin/pfctl /sbin/route
	/usr/bin/awk /usr/bin/base64 /usr/bin/basename /usr/bin/caffeinate /usr/bin/cmp /usr/bin/csrutil /usr/bin/cut /usr/bin/defaults /usr/bin/diff
	/usr/bin/dirname /usr/bin/dscl /usr/bin/env /usr/bin/fdesetup /usr/bin/find /usr/bin/grep /usr/bin/head /usr/bin/id /usr/bin/install
	/usr/bin/mktemp /usr/bin/nc /usr/bin/nohup /usr/bin/od /usr/bin/perl /usr/bin/plutil /usr/bin/pmset /usr/bin/readlink /usr/bin/sed /usr/bin/shasum
	/usr/bin/sort /usr/bin/stat /usr/bin/sudo /usr/bin/sw_vers /usr/bin/tail /usr/bin/tee /usr/bin/touch /usr/bin/tr
	/usr/bin/true /usr/bin/uname /usr/bin/uniq /usr/bin/wc /usr/bin/xargs /usr/bin/xattr
	/usr/sbin/chown /usr/sbin/ioreg /usr/sbin/lsof /usr/sbin/netstat /usr/sbin/networksetup /usr/sbin/scutil /usr/sbin/sysctl`)

// foreign are options that these tools have on other systems, or on some Macs only: letters, or a whole word.
var foreign = map[string][]string{
	"/bin/cp":           {"T", "a", "t", "u"},
	"/bin/date":         {"d"},
	"/bin/ln":           {"T", "r", "t"},
	"/bin/mv":           {"T", "t", "u"},
	"/usr/bin/base64":   {"i", "w"},
	"/usr/bin/find":     {"-printf", "-readable", "-regextype"},
	"/usr/bin/grep":     {"P"},
	"/usr/bin/install":  {"D", "t"},
	"/usr/bin/mktemp":   {"p"},
	"/usr/bin/readlink": {"e", "f", "m"},
	"/usr/bin/sed":      {"i", "r", "z"},
	"/usr/bin/stat":     {"c"},
	"/usr/bin/touch":    {"d"},
	"/usr/bin/xargs":    {"d"},
}

// TestScripts holds every script that is sent to Macs to what both kinds of Mac understand.
func TestScripts(t *testing.T) {
	found := files(t, ".sh")
	scripts := slices.DeleteFunc(found, func(file string) bool { return !strings.HasPrefix(file, "internal/") })
	if len(scripts) == 0 {
		t.Fatal("there are no scripts")
	}
	parsed := map[string]*syntax.File{}
	functions := map[string][]string{} // by folder; remote's are there for every script, and watchdog's for those of changes
	for _, file := range scripts {
		text, err := os.ReadFile(filepath.Join("..", file))
		if err != nil {
			t.Fatal(err)
		}
		if parsed[file], err = parse(file, string(text)); err != nil {
			t.Error(err)
			continue
		}
		functions[path.Dir(file)] = append(functions[path.Dir(file)], functionsOf(parsed[file])...)
	}
	for _, file := range scripts {
		known := slices.Concat(functions["internal/remote"], functions["internal/watchdog"], functions[path.Dir(file)])
		for _, complaint := range complaints(parsed[file], known) {
			t.Error(complaint)
		}
	}
}

func TestScriptComplaints(t *testing.T) {
	for script, want := range map[string]string{
		`timeout 5 /bin/sleep 9`:          "timeout",
		`pfctl -s info`:                   "absolute path",
		`/usr/bin/timeout 5 /bin/ls`:      "not where macOS",
		`/bin/stat -f %p x`:               "not where macOS",
		`/usr/bin/stat -Lc %a x`:          "-Lc",
		`/usr/bin/sed -i s/a/b/ x`:        "-i",
		`/usr/bin/base64 -w0 <x`:          "-w0",
		`/usr/bin/find . -printf x`:       "-printf",
		`/usr/bin/sort --unique x`:        "--unique",
		`/usr/bin/sudo -n pfctl -s info`:  "absolute path",
		`/usr/bin/sudo -n -u "$x" pfctl`:  "absolute path",
		`exec 3<x`:                        "descriptor",
		`/bin/cat <&3`:                    "descriptor",
		`trap 'exit 1' 15`:                "trap",
		`set -o pipefail`:                 "set -o",
		`f() { local x=1; }`:              "local",
		`[[ a = b ]]`:                     "[[",
		`printf '%q' "$x"`:                "printf",
		`"$tool" -x`:                      "absolute path",
		`x=(1 2)`:                         "1:3",
		`x=$'\n'`:                         "$'",
		`/bin/cat <<<x`:                   "1:",
		`/bin/ls |& /bin/cat`:             "1:",
		`f() { :; }; f; : "$(g)"`:         "g ",
		`while read -r x; do :; done <y`:  "",
		`f() { /bin/cat "$@"; }; f -- -c`: "",
		`set -- /bin/sh; exec "$@"`:       "",
		`/usr/bin/grep -q -- -P <x`:       "",
		`trap : EXIT`:                     "",
		`trap '' PIPE HUP`:                "",
		`/bin/ls >/dev/null 2>&1`:         "",
		`exec /usr/bin/sudo -n /bin/sh`:   "",
	} {
		var got []string
		if parsed, err := parse("x.sh", script); err != nil {
			got = []string{err.Error()}
		} else {
			got = complaints(parsed, functionsOf(parsed))
		}
		if all := strings.Join(got, "\n"); want == "" && all != "" || !strings.Contains(all, want) {
			t.Errorf("%s\ngot  %q\nwant %q", script, all, want)
		}
	}
}

// parse takes POSIX only, so that arrays, <<<, |& and the like are errors already. What it takes for text, complaints finds.
func parse(file, text string) (*syntax.File, error) {
	return syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(text), file)
}

func functionsOf(script *syntax.File) []string {
	var names []string
	syntax.Walk(script, func(node syntax.Node) bool {
		if f, ok := node.(*syntax.FuncDecl); ok {
			names = append(names, f.Name.Value)
		}
		return true
	})
	return names
}

// complaints are what is wrong with a script that can call these functions.
func complaints(script *syntax.File, functions []string) []string {
	var all []string
	complain := func(at syntax.Node, format string, args ...any) {
		all = append(all, fmt.Sprintf("%s:%s: ", script.Name, at.Pos())+fmt.Sprintf(format, args...))
	}
	if script == nil {
		return nil
	}
	syntax.Walk(script, func(node syntax.Node) bool {
		switch node := node.(type) {
		case *syntax.CallExpr:
			if len(node.Args) > 0 {
				checkCall(node.Args, functions, complain)
			}
		case *syntax.Redirect:
			for _, word := range []string{literal(node.N), node.Word.Lit()} {
				if strings.Trim(word, "012") != "" && strings.Trim(word, "0123456789") == "" {
					complain(node, "descriptor %s: the simulated shell has 0, 1 and 2 only", word)
				}
			}
		case *syntax.Word:
			if dollarQuote(node) {
				complain(node, "$'...' is not POSIX")
			}
		}
		return true
	})
	return all
}

// dollarQuote finds $'...', which POSIX reads as a dollar before a quote.
func dollarQuote(word *syntax.Word) bool {
	dollar := false
	for _, part := range word.Parts {
		if _, quoted := part.(*syntax.SglQuoted); dollar && quoted {
			return true
		}
		lit, ok := part.(*syntax.Lit)
		dollar = ok && strings.HasSuffix(lit.Value, "$") && !strings.HasSuffix(lit.Value, `\$`)
	}
	return false
}

func literal(lit *syntax.Lit) string {
	if lit == nil {
		return ""
	}
	return lit.Value
}

// checkCall looks at one command: whether it is there on every Mac, and whether its options are.
func checkCall(args []*syntax.Word, functions []string, complain func(syntax.Node, string, ...any)) {
	name := args[0].Lit()
	switch {
	case slices.Contains(functions, name), show(args[0]) == `"$@"`:
		return
	case slices.Contains(builtins, name):
		checkBuiltin(name, args, functions, complain)
		return
	case !strings.HasPrefix(name, "/"):
		complain(args[0], "%s is no function here and no builtin of every shell: call a tool by its absolute path", show(args[0]))
		return
	case !slices.Contains(tools, name):
		complain(args[0], "%s is not where macOS keeps a tool that every Mac has", name)
		return
	case name == "/usr/bin/sudo":
		i := 1
		for ; i < len(args) && (strings.HasPrefix(args[i].Lit(), "-") || show(args[i]) == "''" || args[i-1].Lit() == "-u"); i++ {
		}
		if i < len(args) {
			checkCall(args[i:], nil, complain)
		}
		return
	}
	for _, arg := range args[1:] {
		option := arg.Lit()
		letters, is := strings.CutPrefix(option, "-")
		if option == "--" {
			return
		}
		if strings.HasPrefix(option, "--") && (name != "/usr/sbin/scutil" || option != "--get") {
			complain(arg, "%s: the tools of macOS have no long options like %s", name, option)
		}
		for _, no := range foreign[name] {
			if is && (len(no) == 1 && strings.Contains(letters, no) || option == no) {
				complain(arg, "%s has no %s on every Mac", name, option)
			}
		}
	}
}

func checkBuiltin(name string, args []*syntax.Word, functions []string, complain func(syntax.Node, string, ...any)) {
	switch name {
	case "exec":
		if len(args) > 1 {
			checkCall(args[1:], functions, complain)
		}
	case "trap":
		for _, signal := range args[min(2, len(args)):] {
			switch signal.Lit() {
			case "EXIT", "HUP", "INT", "PIPE", "TERM":
			default:
				complain(signal, "trap: a signal's number is not the same everywhere, and the simulated shell knows these names: EXIT HUP INT PIPE TERM")
			}
		}
	case "set":
		if len(args) > 1 && (args[1].Lit() == "-o" || args[1].Lit() == "-C") {
			complain(args[1], "set %s is not in every shell", show(args[1]))
		}
	case "printf":
		if len(args) > 1 && strings.Contains(show(args[1]), "%q") {
			complain(args[1], "printf has no %%q in POSIX")
		}
	}
}

// show is a word as written.
func show(word *syntax.Word) string {
	var text strings.Builder
	if err := syntax.NewPrinter().Print(&text, word); err != nil {
		return err.Error()
	}
	return text.String()
}

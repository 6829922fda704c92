package macsim

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/interp"
)

// main tells whether it is the shell itself that runs a command, not one of its subshells and substitutions: only that is sent signals,
// and only its end is the shell's. The interpreter has no name for the difference but the runner that its handlers are called for,
// which it does not export.
func (s *interpreter) main(ctx context.Context) bool {
	hc := reflect.ValueOf(interp.HandlerCtx(ctx))
	return hc.FieldByName("runner").Pointer() == reflect.ValueOf(s.runner).Pointer()
}

// trapAfter runs the traps of signals that came while a program ran, which ended with err. As in sh, it has ended by then.
func (s *interpreter) trapAfter(ctx context.Context, err error) error {
	var status interp.ExitStatus
	if ctx.Err() != nil || err != nil && !errors.As(err, &status) || !s.main(ctx) {
		return err
	}
	for {
		trap, ok := s.task.next()
		if !ok {
			return err
		}
		// The colon tells a trap that ended from one that ended the shell, or the function that it came to.
		script := fmt.Sprintf("(exit %d)\n%s\n:", status, asSh(trap))
		if err := interp.HandlerCtx(ctx).Builtin(ctx, []string{"eval", script}); err != nil {
			return err
		}
	}
}

// trapBefore is the script that runs the trap of a signal that came while no program ran, or one of a subshell, and then the command that
// follows, whose words, otherwise than in sh, were expanded before. The builtins wait and read, which a signal ends in sh, notice none.
func (s *interpreter) trapBefore(ctx context.Context, args []string) (script string, ok bool) {
	if args[0] == "exec" && len(args) == 1 || !s.main(ctx) { // The redirections of exec alone end with an eval.
		return "", false
	}
	trap, ok := s.task.next()
	if !ok {
		return "", false
	}
	var words []string
	for _, arg := range args {
		words = append(words, quote(arg))
	}
	if (args[0] == "exit" || args[0] == "return") && len(args) == 1 {
		words = append(words, strconv.Itoa(interp.HandlerCtx(ctx).LastExitStatus))
	}
	return asSh(trap) + "\n" + strings.Join(words, " "), true
}

// end runs the traps that are left when the script has ended with status, and returns the status of the shell. As bash does and
// dash does not, a shell that a signal ends still runs its trap on EXIT.
func (s *interpreter) end(ctx context.Context, status int) int {
	for {
		trap, ok := s.task.last()
		if !ok || ctx.Err() != nil {
			break
		}
		file, err := newParser().Parse(strings.NewReader(asSh(trap)), "trap")
		if err != nil {
			s.syntaxError(err)
			continue
		}
		s.exit = strconv.Itoa(status)
		err = s.runner.Run(ctx, file)
		if s.runner.Exited() {
			status = s.status(err)
		}
	}
	if n := s.task.signal(); n != 0 {
		return 128 + n
	}
	return status
}

// trap is the builtin. A trap is the task's; what is ignored is also kept in a variable, which is inherited as that is.
func (s *interpreter) trap(ctx context.Context, args []string) []string {
	words := args[1:]
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	if len(words) == 0 || words[0] == "-p" {
		return []string{builtinPrefix + "trap"}
	}
	action, names := words[0], words[1:]
	if _, err := strconv.Atoi(action); err == nil || len(names) == 0 {
		action, names = "-", words
	}
	ignored := s.inside(ctx, args).ignored()
	for _, name := range names {
		n, ok := signalNumber(name)
		switch {
		case name == "ERR", name == "DEBUG", name == "RETURN":
			return []string{builtinPrefix + "not modelled", "trap on " + name}
		case !ok:
			return []string{builtinPrefix + "trap", name}
		case slices.Contains(s.p.ignored(), n):
			continue // What was ignored when the shell began stays so.
		case s.main(ctx):
			s.task.set(n, action)
		case n == 0 && action != "-" && action != "":
			return []string{builtinPrefix + "not modelled", "trap on EXIT in a subshell"}
		}
		ignored = slices.DeleteFunc(ignored, func(i int) bool { return i == n })
		if action == "" {
			ignored = append(ignored, n)
		}
	}
	list := strings.Trim(fmt.Sprint(ignored), "[]")
	return []string{"eval", "export " + ignoredVar + "=" + quote(list)}
}

// quote makes a word of text that every shell takes as it is.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
